import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Monitor } from '../health/monitor.js';
import type { HealthReport } from '../health/report.js';
import { checkMethods } from '../options/check.js';

/** Answers a health request and says true; says false, without having touched anything, to every other request. */
export type HealthHandler = (req: IncomingMessage, res: ServerResponse) => boolean;

/** `group`: one of the application's own. */
export type HealthQuestion = 'all' | 'live' | 'ready' | 'startup' | 'group';

/**
 * The health routes of a monitor, `<path>/groups/<name>` and the aliases `/livez` and `/readyz` included: GET and HEAD, with any query and one
 * trailing slash. A path counts only as it was sent: `/health/../admin` and `//health` are no health routes, so that nothing behind them can be
 * reached by looking like one. Asked before the framework sees the request, thus before authentication, parsers and access logs; other requests
 * pay one string compare, three with aliases.
 *
 * 200 for `pass` and `warn` (429 for `warn` when the prober asks by `?warn=429`, which is what Consul's own check takes for a warning),
 * 503 with `Retry-After` for `fail`, 500 when the report itself broke. `onAsked` hears which question was put.
 * @throws TypeError when it is no monitor.
 */
export function healthHandler(monitor: Monitor, onAsked?: (question: HealthQuestion) => void): HealthHandler {
  checkMethods(
    monitor ?? null,
    ['live', 'ready', 'startup', 'all', 'group', 'body', 'shows'],
    'health routes',
    'Give a monitor: that of a service, or what monitor() makes',
  );
  const base = monitor.path;
  const groups = `${base}/groups/`;
  const questions = new Map<string, Exclude<HealthQuestion, 'group'>>([
    [base, 'all'],
    [`${base}/live`, 'live'],
    [`${base}/ready`, 'ready'],
    [`${base}/startup`, 'startup'],
  ]);
  if (monitor.aliases) questions.set('/livez', 'live').set('/readyz', 'ready');
  const isNear = monitor.aliases
    ? (url: string): boolean => url.startsWith(base) || url.startsWith('/livez') || url.startsWith('/readyz')
    : (url: string): boolean => url.startsWith(base);
  return (req, res) => {
    const url = req.url!;
    if (!isNear(url)) return false;
    const mark = url.indexOf('?');
    let path = mark === -1 ? url : url.slice(0, mark);
    if (path.endsWith('/')) path = path.slice(0, -1);
    let question: HealthQuestion | undefined = questions.get(path);
    const group = question === undefined && path.startsWith(groups) ? path.slice(groups.length) : '';
    if (group !== '' && monitor.groups.includes(group)) question = 'group';
    if (question === undefined) return false;
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      res.setHeader('Allow', 'GET, HEAD');
      write(req, res, 405, 'application/problem+json', '{"type":"about:blank","title":"Method Not Allowed","status":405}');
      return true;
    }
    onAsked?.(question);
    const warns =
      mark !== -1 &&
      url
        .slice(mark + 1)
        .split('&')
        .includes('warn=429');
    void answer(monitor, () => (question === 'group' ? monitor.group(group)! : monitor[question]()), req, res, warns);
    return true;
  };
}

async function answer(monitor: Monitor, ask: () => Promise<HealthReport>, req: IncomingMessage, res: ServerResponse, warns: boolean): Promise<void> {
  let status = 500;
  let type = 'application/health+json';
  let text = '{"status":"fail"}';
  try {
    const report = await ask();
    const body = monitor.body(report, monitor.shows(req));
    ({ type, text } = body);
    status = statusOf(report, warns);
  } catch {
    // What it was is nobody's business outside.
  }
  if (status === 503 && !res.headersSent) res.setHeader('Retry-After', Math.max(1, Math.ceil(monitor.retryAfterMs / 1_000)));
  write(req, res, status, type, text);
}

function statusOf(report: HealthReport, warns: boolean): number {
  if (report.status === 'fail') return 503;
  return report.status === 'warn' && warns ? 429 : 200;
}

function write(req: IncomingMessage, res: ServerResponse, status: number, type: string, body: string): void {
  if (res.headersSent || res.destroyed) return;
  res.statusCode = status;
  res.setHeader('Content-Type', type);
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.end(req.method === 'HEAD' ? undefined : body);
}
