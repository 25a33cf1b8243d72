/** The reasons that Ferrule itself gives. A catalogue may not use them: breakers and budgets go by them. */
export const REASONS = {
  timeout: 'TIMEOUT',
  circuitOpen: 'CIRCUIT_OPEN',
  bulkheadFull: 'BULKHEAD_FULL',
  rateLimited: 'RATE_LIMITED',
  concurrencyLimited: 'CONCURRENCY_LIMITED',
  throttled: 'THROTTLED',
  hedgeLost: 'HEDGE_LOST',
  notCached: 'NOT_CACHED',
  chaos: 'CHAOS',
  noEndpoint: 'NO_ENDPOINT',
  unknownService: 'UNKNOWN_SERVICE',
  connectFailed: 'CONNECT_FAILED',
  connectionLost: 'CONNECTION_LOST',
  malformedReply: 'MALFORMED_REPLY',
  replyTooLarge: 'REPLY_TOO_LARGE',
  draining: 'DRAINING',
  disconnected: 'CLIENT_DISCONNECTED',
  malformedBody: 'MALFORMED_BODY',
  bodyTooLarge: 'BODY_TOO_LARGE',
  unsupportedMediaType: 'UNSUPPORTED_MEDIA_TYPE',
  validationFailed: 'VALIDATION_FAILED',
  routeNotFound: 'ROUTE_NOT_FOUND',
  methodNotAllowed: 'METHOD_NOT_ALLOWED',
} as const;

const OWN: ReadonlySet<string> = new Set(Object.values(REASONS));

/** Whether Ferrule itself gives this reason. */
export function isOwnReason(reason: string): boolean {
  return OWN.has(reason);
}

/** A business reason, as google.rpc.ErrorInfo has it (AIP-193), at most 63 characters; safe as a header value and as a metric label. */
export const REASON: RegExp = /^[A-Z][A-Z0-9_]{0,62}$/;
