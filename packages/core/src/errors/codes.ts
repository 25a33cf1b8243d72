/** The canonical codes of google.rpc.Code, without OK, in their numeric order from 1. */
export const CODES = [
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

export type Code = (typeof CODES)[number];

/** What each code means over HTTP: its status, the title of a problem, and whether trying again may help. */
export const CODE_TABLE: Readonly<Record<Code, { readonly status: number; readonly title: string; readonly retryable: boolean }>> = {
  CANCELLED: { status: 499, title: 'Cancelled', retryable: false },
  UNKNOWN: { status: 500, title: 'Internal Server Error', retryable: false },
  INVALID_ARGUMENT: { status: 400, title: 'Bad Request', retryable: false },
  DEADLINE_EXCEEDED: { status: 504, title: 'Gateway Timeout', retryable: true },
  NOT_FOUND: { status: 404, title: 'Not Found', retryable: false },
  ALREADY_EXISTS: { status: 409, title: 'Conflict', retryable: false },
  PERMISSION_DENIED: { status: 403, title: 'Forbidden', retryable: false },
  RESOURCE_EXHAUSTED: { status: 429, title: 'Too Many Requests', retryable: true },
  FAILED_PRECONDITION: { status: 400, title: 'Failed Precondition', retryable: false },
  ABORTED: { status: 409, title: 'Conflict', retryable: false },
  OUT_OF_RANGE: { status: 400, title: 'Out Of Range', retryable: false },
  UNIMPLEMENTED: { status: 501, title: 'Not Implemented', retryable: false },
  INTERNAL: { status: 500, title: 'Internal Server Error', retryable: false },
  UNAVAILABLE: { status: 503, title: 'Service Unavailable', retryable: true },
  DATA_LOSS: { status: 500, title: 'Data Loss', retryable: false },
  UNAUTHENTICATED: { status: 401, title: 'Unauthorized', retryable: false },
};

const BY_STATUS: ReadonlyMap<number, Code> = new Map<number, Code>([
  [400, 'INVALID_ARGUMENT'],
  [401, 'UNAUTHENTICATED'],
  [403, 'PERMISSION_DENIED'],
  [404, 'NOT_FOUND'],
  [405, 'UNIMPLEMENTED'],
  [408, 'DEADLINE_EXCEEDED'],
  [409, 'ABORTED'],
  [410, 'NOT_FOUND'],
  [412, 'FAILED_PRECONDITION'],
  [413, 'INVALID_ARGUMENT'],
  [414, 'INVALID_ARGUMENT'],
  [415, 'INVALID_ARGUMENT'],
  [416, 'OUT_OF_RANGE'],
  [422, 'INVALID_ARGUMENT'],
  [425, 'UNAVAILABLE'],
  [428, 'FAILED_PRECONDITION'],
  [429, 'RESOURCE_EXHAUSTED'],
  [431, 'INVALID_ARGUMENT'],
  [499, 'CANCELLED'],
  [500, 'INTERNAL'],
  [501, 'UNIMPLEMENTED'],
  [502, 'UNAVAILABLE'],
  [503, 'UNAVAILABLE'],
  [504, 'DEADLINE_EXCEEDED'],
]);

/** The code that a status without a code stands for. This is not gRPC's own table, which takes 404 for UNIMPLEMENTED. */
export function codeOfStatus(status: number): Code {
  return BY_STATUS.get(status) ?? (status >= 400 && status < 500 ? 'FAILED_PRECONDITION' : 'UNKNOWN');
}

export function isCode(value: unknown): value is Code {
  return typeof value === 'string' && Object.hasOwn(CODE_TABLE, value);
}
