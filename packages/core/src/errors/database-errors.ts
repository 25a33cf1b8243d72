import type { Code } from './codes.js';
import { REASONS } from './reasons.js';
import type { ServiceErrorOptions } from './service-error-options.js';
import { systemErrorOf } from './system-errors.js';

/** What a failure of a database means to whoever knows nothing of databases. */
export interface DatabaseMeaning {
  readonly code: Code;
  readonly options?: Pick<ServiceErrorOptions, 'retryable' | 'reason'>;
}

const DUPLICATE: DatabaseMeaning = { code: 'ALREADY_EXISTS' };
/** The transaction was sacrificed for another one: the same once more is likely to pass. */
const CONFLICT: DatabaseMeaning = { code: 'ABORTED', options: { retryable: true } };
const AWAY: DatabaseMeaning = { code: 'UNAVAILABLE' };
const LATE: DatabaseMeaning = { code: 'DEADLINE_EXCEEDED', options: { reason: REASONS.timeout } };

type Members = Readonly<Record<string, unknown>>;

/** By a text in `code`: SQLSTATE (PostgreSQL), the names of MySQL, SQLite and Prisma. */
const BY_CODE: ReadonlyMap<string, DatabaseMeaning> = new Map([
  ...rows(
    DUPLICATE,
    '23505 23P01 ER_DUP_ENTRY ER_DUP_KEY ER_DUP_UNIQUE SQLITE_CONSTRAINT_UNIQUE SQLITE_CONSTRAINT_PRIMARYKEY SQLITE_CONSTRAINT_ROWID P2002',
  ),
  ...rows(CONFLICT, '40001 40P01 55P03 ER_LOCK_DEADLOCK ER_LOCK_WAIT_TIMEOUT SQLITE_BUSY SQLITE_BUSY_SNAPSHOT SQLITE_LOCKED P2034'),
  ...rows(
    AWAY,
    '57P01 57P02 57P03 PROTOCOL_CONNECTION_LOST ER_CON_COUNT_ERROR ER_SERVER_SHUTDOWN ER_TOO_MANY_USER_CONNECTIONS SQLITE_CANTOPEN SQLITE_FULL P1001 P1017 P2024',
  ),
  ...rows(LATE, '57014 ER_QUERY_TIMEOUT P1002 P1008'),
]);

/** By SQLSTATE class: connection exception, insufficient resources. */
const BY_CLASS: ReadonlyMap<string, DatabaseMeaning> = new Map([
  ['08', AWAY],
  ['53', AWAY],
]);

/** By a number in `code`: MongoDB. */
const MONGODB: ReadonlyMap<number, DatabaseMeaning> = new Map(
  [
    ...rows(DUPLICATE, '11000 11001 12582'),
    ...rows(CONFLICT, '112 251'),
    ...rows(AWAY, '6 7 89 91 189 9001 10107 11600 11602 13435 13436'),
    ...rows(LATE, '50 262'),
  ].map(([code, meaning]) => [Number(code), meaning] as const),
);

/** By `errno`, next to a text in `code`: MySQL. */
const MYSQL: ReadonlyMap<number, DatabaseMeaning> = new Map(
  [...rows(DUPLICATE, '1062 1586'), ...rows(CONFLICT, '1205 1213'), ...rows(AWAY, '1040 1053 2002 2003 2006 2013'), ...rows(LATE, '3024')].map(
    ([code, meaning]) => [Number(code), meaning] as const,
  ),
);

/** By `errcode` of node:sqlite, and by `errno` of sqlite3: extended result codes, and those that need no extension. */
const SQLITE: ReadonlyMap<number, DatabaseMeaning> = new Map(
  [...rows(DUPLICATE, '1555 2067 2579'), ...rows(CONFLICT, '5 6 261 517 262'), ...rows(AWAY, '13 14')].map(
    ([code, meaning]) => [Number(code), meaning] as const,
  ),
);

/** By `number` of SQL Server (tedious). */
const SQL_SERVER: ReadonlyMap<number, DatabaseMeaning> = new Map(
  [...rows(DUPLICATE, '2601 2627'), ...rows(CONFLICT, '1205 1222 3960')].map(([code, meaning]) => [Number(code), meaning] as const),
);

const BY_NAME: ReadonlyMap<string, DatabaseMeaning> = new Map([
  ...rows(AWAY, 'MongoNetworkError MongoServerSelectionError MongoNotConnectedError MongoPoolClosedError MongoPoolClearedError'),
  ...rows(AWAY, 'SequelizeConnectionError SequelizeConnectionRefusedError PrismaClientInitializationError'),
  ...rows(LATE, 'MongoNetworkTimeoutError MongoWaitQueueTimeoutError KnexTimeoutError'),
]);

/** Where ORMs keep what their driver threw: `cause` (drizzle, MikroORM), `driverError` (TypeORM), `original`, `parent` (Sequelize). */
const INNER = ['cause', 'driverError', 'original', 'parent'] as const;
const DEEPEST = 4;

/** What the error of a driver or an ORM means, its own or the one in it; undefined for none that is known. May throw when a getter does. */
export function databaseMeaning(error: unknown, depth = 0): DatabaseMeaning | undefined {
  if (typeof error !== 'object' || error === null || depth > DEEPEST) return undefined;
  const members = error as Members;
  const own = ownMeaning(members);
  if (own !== undefined) return own;
  for (const name of INNER) {
    const inner = databaseMeaning(members[name], depth + 1);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

function ownMeaning(members: Members): DatabaseMeaning | undefined {
  const { code, errno, errcode, number, name, message } = members;
  const named = typeof name === 'string' ? BY_NAME.get(name) : undefined;
  if (typeof code === 'number') return MONGODB.get(code) ?? named;
  if (typeof number === 'number' && SQL_SERVER.has(number)) return SQL_SERVER.get(number);
  if (typeof code !== 'string') return named;
  const known = BY_CODE.get(code) ?? (/^[0-9A-Z]{5}$/.test(code) && /^\d/.test(code) ? BY_CLASS.get(code.slice(0, 2)) : undefined);
  if (known !== undefined) return known;
  if (code === 'ERR_SQLITE_ERROR') return typeof errcode === 'number' ? SQLITE.get(errcode) : undefined;
  if (code === 'SQLITE_CONSTRAINT') return typeof message === 'string' && /\bUNIQUE constraint failed\b/.test(message) ? DUPLICATE : undefined;
  const system = systemErrorOf(code);
  if (system !== undefined) return { code: system.code, ...(system.reason !== undefined && { options: { reason: system.reason } }) };
  return (typeof errno === 'number' ? MYSQL.get(errno) : undefined) ?? named;
}

function rows(meaning: DatabaseMeaning, codes: string): (readonly [string, DatabaseMeaning])[] {
  return codes.split(' ').map((code) => [code, meaning]);
}
