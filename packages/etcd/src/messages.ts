import { message } from './protobuf.js';
import type { Message } from './protobuf.js';

/*
 * The messages and calls of etcd 3.4 that a registry needs (api/etcdserverpb/rpc.proto of etcd), each with the fields that are used here.
 * Numbers of fields never change; newer servers add some, which are skipped.
 */

/** One call: its path, and what goes either way. */
export interface Method<Q, S> {
  readonly path: string;
  readonly request: Message<Q>;
  readonly reply: Message<S>;
}

interface Header {
  /** Of the whole store when the answer was made. */
  readonly revision: number;
}

export interface KeyValue {
  /** One character a byte. */
  readonly key: string;
  /** When it was changed last. */
  readonly modRevision: number;
  readonly value: string;
  /** The lease that it ends with; 0n: none. */
  readonly lease: bigint;
}

export interface RangeRequest {
  readonly key: string;
  /** The first key that does not belong to it; empty: `key` alone. */
  readonly rangeEnd: string;
  readonly limit: number;
  /** 0: the newest. */
  readonly revision: number;
  readonly keysOnly: boolean;
}

export interface RangeReply {
  readonly header: Header | undefined;
  readonly kvs: readonly KeyValue[];
  /** There are more than `limit`. */
  readonly more: boolean;
}

interface PutRequest {
  readonly key: string;
  readonly value: string;
  readonly lease: bigint;
}

/** That the last change of `key` was at `modRevision`; 0: that there is no such key. */
interface Compare {
  /** 0: equal. */
  readonly result: number;
  readonly target: number;
  readonly key: string;
  readonly modRevision: number;
}

interface RequestOp {
  readonly range: RangeRequest | undefined;
  readonly put: PutRequest | undefined;
}

interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

interface TxnReply {
  readonly header: Header | undefined;
  readonly succeeded: boolean;
  readonly responses: readonly { readonly range: RangeReply | undefined }[];
}

interface Lease {
  readonly id: bigint;
  /** Seconds; from 0 downwards: there is no such lease any more. */
  readonly ttl: number;
}

interface LeaseId {
  readonly id: bigint;
}

export interface WatchCreate {
  readonly key: string;
  readonly rangeEnd: string;
  /** The first one that is told; 0: from now on. */
  readonly startRevision: number;
  /** Chosen by us, since etcd 3.4. */
  readonly watchId: number;
  /** Whether a big answer may come in pieces. */
  readonly fragment: boolean;
}

interface WatchRequest {
  readonly create: WatchCreate | undefined;
  readonly cancel: { readonly watchId: number } | undefined;
}

interface WatchEvent {
  /** 0: put; 1: delete, and `kv` has its key alone. */
  readonly type: number;
  readonly kv: KeyValue | undefined;
}

export interface WatchReply {
  readonly watchId: number;
  readonly created: boolean;
  readonly canceled: boolean;
  /** Not 0: the start is forgotten; the oldest revision that is known. */
  readonly compactRevision: number;
  readonly cancelReason: string;
  /** More of the same answer follows. */
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}

/** Of a Compare: the revision of the last change. */
export const TARGET_MOD = 2;
/** Of an event. */
export const DELETE = 1;

const header: Message<Header> = message<Header>({ revision: [3, 'int'] });
const keyValue: Message<KeyValue> = message<KeyValue>({ key: [1, 'latin1'], modRevision: [3, 'int'], value: [5, 'utf8'], lease: [6, 'int64'] });
const rangeRequest: Message<RangeRequest> = message<RangeRequest>({
  key: [1, 'latin1'],
  rangeEnd: [2, 'latin1'],
  limit: [3, 'int'],
  revision: [4, 'int'],
  keysOnly: [8, 'bool'],
});
const rangeReply: Message<RangeReply> = message<RangeReply>({ header: [1, header], kvs: [2, [keyValue]], more: [3, 'bool'] });
const put: Message<PutRequest> = message<PutRequest>({ key: [1, 'latin1'], value: [2, 'utf8'], lease: [3, 'int64'] });
const compare: Message<Compare> = message<Compare>({ result: [1, 'int'], target: [2, 'int'], key: [3, 'latin1'], modRevision: [6, 'int'] });
const requestOp: Message<RequestOp> = message<RequestOp>({ range: [1, rangeRequest], put: [2, put] });
const responseOp: Message<{ readonly range: RangeReply | undefined }> = message<{ readonly range: RangeReply | undefined }>({
  range: [1, rangeReply],
});
const leaseId: Message<LeaseId> = message<LeaseId>({ id: [1, 'int64'] });
const lease: Message<Lease> = message<Lease>({ id: [2, 'int64'], ttl: [3, 'int'] });
const watchCreate: Message<WatchCreate> = message<WatchCreate>({
  key: [1, 'latin1'],
  rangeEnd: [2, 'latin1'],
  startRevision: [3, 'int'],
  watchId: [7, 'int'],
  fragment: [8, 'bool'],
});
const event: Message<WatchEvent> = message<WatchEvent>({ type: [1, 'int'], kv: [2, keyValue] });
const nothing: Message<object> = message<object>({});

export const RANGE: Method<RangeRequest, RangeReply> = { path: '/etcdserverpb.KV/Range', request: rangeRequest, reply: rangeReply };

export const TXN: Method<TxnRequest, TxnReply> = {
  path: '/etcdserverpb.KV/Txn',
  request: message<TxnRequest>({ compare: [1, [compare]], success: [2, [requestOp]], failure: [3, [requestOp]] }),
  reply: message<TxnReply>({ header: [1, header], succeeded: [2, 'bool'], responses: [3, [responseOp]] }),
};

export const LEASE_GRANT: Method<{ readonly ttl: number }, Lease> = {
  path: '/etcdserverpb.Lease/LeaseGrant',
  request: message<{ readonly ttl: number }>({ ttl: [1, 'int'] }),
  reply: lease,
};

export const LEASE_REVOKE: Method<LeaseId, object> = { path: '/etcdserverpb.Lease/LeaseRevoke', request: leaseId, reply: nothing };

/** A stream at etcd; here one question and one answer. */
export const LEASE_KEEP_ALIVE: Method<LeaseId, Lease> = { path: '/etcdserverpb.Lease/LeaseKeepAlive', request: leaseId, reply: lease };

export const AUTHENTICATE: Method<{ readonly name: string; readonly password: string }, { readonly token: string }> = {
  path: '/etcdserverpb.Auth/Authenticate',
  request: message<{ readonly name: string; readonly password: string }>({ name: [1, 'utf8'], password: [2, 'utf8'] }),
  reply: message<{ readonly token: string }>({ token: [2, 'utf8'] }),
};

/** A stream: any number of watches, made and cancelled at any time. */
export const WATCH: Method<WatchRequest, WatchReply> = {
  path: '/etcdserverpb.Watch/Watch',
  request: message<WatchRequest>({ create: [1, watchCreate], cancel: [2, message<{ readonly watchId: number }>({ watchId: [1, 'int'] })] }),
  reply: message<WatchReply>({
    watchId: [2, 'int'],
    created: [3, 'bool'],
    canceled: [4, 'bool'],
    compactRevision: [5, 'int'],
    cancelReason: [6, 'utf8'],
    fragment: [7, 'bool'],
    events: [11, [event]],
  }),
};
