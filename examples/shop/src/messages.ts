// What the demo and its processes tell each other.

/** From the demo to an instance: behave badly, or well again. */
export type Fault =
  | { readonly kind: 'none' }
  /** Every answer takes `factor` times as long. */
  | { readonly kind: 'slow'; readonly factor: number }
  /** Every request is answered 503 at once: the black hole. */
  | { readonly kind: 'black-hole' }
  /** The event loop is blocked once for `ms`. */
  | { readonly kind: 'freeze'; readonly ms: number };

/** What the gateway knows of one endpoint since the last report. */
export interface EndpointReport {
  readonly instance: string;
  readonly service: string;
  readonly attempts: number;
  readonly failures: number;
  readonly latenciesMs: readonly number[];
  readonly waiting: number;
  readonly state: string;
}

export type FromProcess =
  | { readonly type: 'ready'; readonly instance: string; readonly port: number }
  | { readonly type: 'endpoints'; readonly endpoints: readonly EndpointReport[] };

export type ToProcess = { readonly type: 'fault'; readonly fault: Fault } | { readonly type: 'report' };
