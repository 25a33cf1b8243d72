import type { CatalogueEntry } from './catalogue.js';
import { throwNoCatalogue } from './catalogue-lint.js';

export interface CatalogueMarkdownOptions {
  /** The first heading. Default: `Errors of <service>`, or `Errors`. */
  readonly title?: string;
}

/**
 * A page that documents a catalogue: a table of its errors by number, and what each means for a caller. Everything in it is escaped, so that
 * what stands in a definition cannot change the page.
 * @throws TypeError when it is no catalogue
 */
export function catalogueMarkdown(catalogue: Iterable<CatalogueEntry>, { title }: CatalogueMarkdownOptions = {}): string {
  throwNoCatalogue(catalogue, 'catalogueMarkdown');
  const entries = [...catalogue].sort((a, b) => (a.number ?? Infinity) - (b.number ?? Infinity) || (a.reason < b.reason ? -1 : 1));
  const service = entries[0]?.service;
  const rows = entries.map(
    (one) =>
      `| ${one.number ?? ''} | [\`${one.reason}\`](#${one.reason.toLowerCase()}) | \`${one.code}\` | ${one.status} | ${one.retryable ? 'yes' : 'no'} | ${escaped(one.title)} |`,
  );
  return [
    `# ${escaped(title ?? (service === undefined ? 'Errors' : `Errors of ${service}`))}`,
    '',
    '| number | reason | code | status | retryable | title |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    ...entries.flatMap(section),
    '',
  ].join('\n');
}

function section(entry: CatalogueEntry): string[] {
  const { reason, title, description, detail, expose, details, type, retryable, code } = entry;
  return [
    '',
    `## ${reason}`,
    '',
    `${sentence(escaped(title))}${description === undefined ? '' : ` ${escaped(description)}`}`,
    '',
    `- A client sees ${expose && detail !== undefined ? `“${escaped(detail)}”` : expose ? 'what happened' : 'the title alone'}${details.length === 0 ? '' : `, and as \`details\`: ${details.map((name) => `\`${name}\``).join(', ')}`}.`,
    `- ${retryable ? 'Trying again later may help.' : code === 'ABORTED' ? 'Try the whole operation again, not this call.' : 'Trying again does not help.'}`,
    ...(type === 'about:blank' ? [] : [`- Type: ${escaped(type)}`]),
  ];
}

/** With a full stop, and no list, at the beginning of a line. */
function sentence(text: string): string {
  const start = text.replace(/^(\d{0,9})(?=[-+=.)])/, '$1\\');
  return /[.!?。！？]$/.test(start) ? start : `${start}.`;
}

/** As text that Markdown and HTML take for nothing else: one line, every mark of theirs escaped. */
function escaped(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/[\\`*_{}[\]#|~!]/g, String.raw`\$&`)
    .trim();
}
