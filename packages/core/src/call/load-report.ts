/** The reply header in which a server says how busy it is: ORCA's in the form of text, as Envoy and gRPC's backends write it. */
export const LOAD_HEADER = 'endpoint-load-metrics';

/** What a server says of itself. What it does not say is 0. */
export interface LoadReport {
  /** Requests that it has in progress. */
  readonly inFlight: number;
  /** Of one processor or of all, 0 to 1; above 1 for one that counts beyond its quota. */
  readonly cpu: number;
  /** What the application itself calls full, 0 to 1 and beyond. */
  readonly application: number;
  /** Requests and failed requests a second. */
  readonly requests: number;
  readonly errors: number;
}

const FORMAT = 'TEXT ';
/** Of a longer header nothing is read: a report is some 100 characters. */
const LONGEST = 1_024;
const MOST_FIELDS = 32;
const DECIMAL = /^\d*\.?\d+(?:[eE][+-]?\d{1,3})?$/;

/**
 * Reads `TEXT rif=3, cpu_utilization=.42, application_utilization=.5, rps_fractional=120, eps=1`, in any order, with the format's name in any case.
 * It comes from elsewhere: unknown names and what is no number from 0 are passed over; undefined when it is no such text, is too long, or says nothing.
 */
export function parseLoadReport(header: unknown): LoadReport | undefined {
  if (typeof header !== 'string' || header.length > LONGEST || header.slice(0, FORMAT.length).toUpperCase() !== FORMAT) return undefined;
  const report = { inFlight: 0, cpu: 0, application: 0, requests: 0, errors: 0 };
  let known = 0;
  for (const field of header.slice(FORMAT.length).split(',', MOST_FIELDS)) {
    const equals = field.indexOf('=');
    if (equals < 0) continue;
    const member = MEMBERS.get(field.slice(0, equals).trim());
    const text = field.slice(equals + 1).trim();
    if (member === undefined || !DECIMAL.test(text)) continue;
    const value = Number(text);
    if (value === Infinity) continue;
    report[member] = value;
    known++;
  }
  return known === 0 ? undefined : report;
}

const MEMBERS: ReadonlyMap<string, keyof LoadReport> = new Map([
  ['rif', 'inFlight'],
  ['cpu_utilization', 'cpu'],
  ['application_utilization', 'application'],
  ['rps_fractional', 'requests'],
  ['eps', 'errors'],
]);

/** The header's text, with three decimals. */
export function loadReportText({ inFlight, cpu, application, requests, errors }: LoadReport): string {
  const fields = [`rif=${inFlight}`, `cpu_utilization=${short(cpu)}`, `application_utilization=${short(application)}`];
  return `TEXT ${fields.join(', ')}, rps_fractional=${short(requests)}, eps=${short(errors)}`;
}

function short(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
