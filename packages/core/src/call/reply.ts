/** Header fields by lower-case name; a repeated field is an array. */
export type ReplyHeaders = Readonly<Record<string, string | number | readonly string[] | undefined>>;

const NO_HEADERS: ReplyHeaders = Object.freeze({});

/**
 * An answer: status, headers and a body, which is a value (sent as JSON), text, bytes (`Uint8Array`) or a Node stream.
 * Immutable; `with` makes a changed copy.
 */
export class Reply<B = unknown> {
  readonly status: number;
  readonly body: B;
  readonly headers: ReplyHeaders;
  /** The error that this reply was made from, for those who observe or report; it never leaves the process. */
  readonly error: unknown;
  /** Whether a native handler has answered by itself: there is nothing left to write. */
  readonly sent: boolean;

  /** @throws RangeError when `status` is no final HTTP status (200 to 599). */
  constructor(status: number, body?: B, headers: ReplyHeaders = NO_HEADERS, more: { error?: unknown; sent?: boolean } = {}) {
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(
        `Reply status: ${String(status)} is no final HTTP status. Give an integer from 200 to 599; business numbers belong into the body.`,
      );
    }
    this.status = status;
    this.body = body as B;
    this.headers = headers;
    this.error = more.error;
    this.sent = more.sent ?? false;
  }

  /** A copy with other parts; `headers` are added to the present ones. */
  with(change: { status?: number; body?: unknown; headers?: ReplyHeaders }): Reply {
    return new Reply(
      change.status ?? this.status,
      'body' in change ? change.body : this.body,
      change.headers === undefined ? this.headers : { ...this.headers, ...change.headers },
      { error: this.error, sent: this.sent },
    );
  }
}

/** What a body needs to be treated as a stream: Node's Readable has it. */
export interface BodyStream extends NodeJS.ReadableStream {
  destroy(error?: Error): unknown;
  readonly destroyed: boolean;
}

/** Whether the body is a Node stream, as opposed to a value, text or bytes. */
export function isStream(body: unknown): body is BodyStream {
  return typeof body === 'object' && body !== null && typeof (body as { pipe?: unknown }).pipe === 'function';
}
