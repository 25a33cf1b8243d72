import { checkList } from '../options/check.js';
import { shown } from '../options/shown.js';

/** Something that a person should hear of, or that is over. */
export interface Alert {
  /** Which part tells it, for example `health`. */
  readonly source: string;
  /** `resolved` takes back the `raised` of the same source and subject. */
  readonly kind: 'raised' | 'resolved';
  /** What it is about, for example the name of a check. With the source it says which alert it is. */
  readonly subject: string;
  /** One sentence for people, without secrets. */
  readonly message: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** Further facts as JSON knows them, without secrets. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Hears of alerts: a function, or what `webhook()` makes. Nobody waits for it; what it throws or rejects with is given to the logger. */
export type AlertSink = (alert: Alert) => unknown;

/** One sink or several, as an option. @throws TypeError when one is no function. */
export function alertSinks(sinks: AlertSink | readonly AlertSink[] | undefined, option: string): readonly AlertSink[] {
  if (sinks === undefined) return [];
  const list = typeof sinks === 'function' ? [sinks] : sinks;
  checkList(list, option, 'functions (alert) => …, or of webhook({ url })');
  list.forEach((sink: unknown, index) => {
    if (typeof sink !== 'function')
      throw new TypeError(`${option}[${index}]: ${shown(sink)} is no sink. Give a function (alert) => …, or webhook({ url }).`);
  });
  return [...list];
}

/** Tells all of them, in order and without waiting; `failed` hears what one throws or rejects with. Never throws. */
export function tellSinks(sinks: readonly AlertSink[], alert: Alert, failed: (error: unknown) => void): void {
  for (const sink of sinks) {
    // Its synchronous part runs here and now, so that alerts reach it in their order.
    void (async () => sink(alert))().catch(failed);
  }
}
