/** How an attempt went, as the balancer and the ejector want to know it. */
export interface Outcome {
  /**
   * `ok`: an answer that says the endpoint works (4xx included, but for 408, 425 and 429);
   * `error`: it answered 5xx; `overload`: 429, or 503 with Retry-After; `transport`: the connection failed;
   * `refused`: nobody listens there; `timeout`; `cancelled`: the caller lost interest, which says nothing.
   */
  readonly kind: 'ok' | 'error' | 'overload' | 'transport' | 'refused' | 'timeout' | 'cancelled';
  readonly status?: number;
  /** How long the endpoint asked to be left alone. */
  readonly retryAfterMs?: number;
}

/** Whether a status says that the endpoint works: everything below 500 but 408, 425 and 429. */
export function isWorking(status: number): boolean {
  return status < 500 && status !== 429 && status !== 408 && status !== 425;
}
