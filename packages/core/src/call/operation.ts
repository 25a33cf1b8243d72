/** What is being done, in words that are safe as a metric label: none of it carries a value from a request. */
export interface Operation {
  /** The service that owns it, for example `orders`. */
  readonly service: string;
  /** Unique within the service, for example `GET /orders/:id`. */
  readonly name: string;
  /** The HTTP method in capitals. */
  readonly method: string;
  /** The path template, for example `/orders/:id`. */
  readonly path: string;
  /** Whether doing it twice is the same as doing it once. Default: GET, HEAD, PUT, DELETE, OPTIONS and TRACE are (RFC 9110, 9.2.2). */
  readonly idempotent: boolean;
}

const IDEMPOTENT = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']);

/** Whether RFC 9110 declares the method idempotent. */
export function isIdempotentMethod(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/** An operation with the defaults that follow from method and path. */
export function operation(service: string, method: string, path: string, change: { name?: string; idempotent?: boolean } = {}): Operation {
  return {
    service,
    name: change.name ?? `${method} ${path}`,
    method,
    path,
    idempotent: change.idempotent ?? isIdempotentMethod(method),
  };
}
