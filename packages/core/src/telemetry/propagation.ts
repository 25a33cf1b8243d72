import type { Call, CallHeaders } from '../call/call.js';
import { currentCall } from '../call/context.js';

// W3C Trace Context and Baggage, as much as a process needs that has no SDK: hand on what came in, unless it is malformed.

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;
const MAX_TRACESTATE_MEMBERS = 32;
const MAX_TRACESTATE_CHARS = 512;
const MAX_BAGGAGE_MEMBERS = 180;
const MAX_BAGGAGE_BYTES = 8192;

/** Whether the field is a trace parent of version 00, or of a later one that begins like it (Trace Context, 3.2.2 and 4.3). */
export function isTraceparent(value: string): boolean {
  const match = TRACEPARENT.exec(value);
  if (match === null) return false;
  const [, version, traceId, parentId, rest] = match;
  if (version === 'ff' || (version === '00' && rest !== undefined)) return false;
  return !/^0+$/.test(traceId!) && !/^0+$/.test(parentId!);
}

/** The trace fields of an inbound call that may go out again; empty when it has none or its parent is malformed. */
export function traceFields(inbound: Call, withBaggage: boolean): Record<string, string> {
  const fields: Record<string, string> = {};
  const parent = inbound.headers['traceparent'];
  if (typeof parent === 'string' && isTraceparent(parent)) {
    fields['traceparent'] = parent;
    const state = fitting(inbound.header('tracestate'), MAX_TRACESTATE_MEMBERS, MAX_TRACESTATE_CHARS);
    if (state !== undefined) fields['tracestate'] = state;
  }
  if (withBaggage) {
    const baggage = fitting(inbound.header('baggage'), MAX_BAGGAGE_MEMBERS, MAX_BAGGAGE_BYTES);
    if (baggage !== undefined) fields['baggage'] = baggage;
  }
  return fields;
}

/** The outbound call with the trace fields of the inbound one that the running code works for; fields that it has already stay. */
export function forwardTrace(call: Call, withBaggage: boolean): Call {
  const inbound = currentCall();
  if (inbound === undefined) return call;
  const had = inbound.headers;
  if (had['traceparent'] === undefined && had['baggage'] === undefined) return call;
  const fields = traceFields(inbound, withBaggage);
  // A caller's own trace parent comes with its own state, or with none.
  if (call.headers['traceparent'] !== undefined) {
    delete fields['traceparent'];
    delete fields['tracestate'];
  }
  return withHeaders(call, { ...fields, ...call.headers }, fields);
}

function withHeaders(call: Call, headers: CallHeaders, added: Record<string, string>): Call {
  return Object.keys(added).length === 0 ? call : call.derive({ headers });
}

/** The leading members that fit; a member is never cut in two. undefined when nothing is left or a character does not belong into a header. */
function fitting(value: string | undefined, maxMembers: number, maxLength: number): string | undefined {
  if (value === undefined || value === '' || !/^[\t\x20-\x7e]*$/.test(value)) return undefined;
  if (value.length <= maxLength && value.split(',').length <= maxMembers) return value;
  let kept = '';
  for (const member of value.split(',', maxMembers)) {
    const longer = kept === '' ? member : `${kept},${member}`;
    if (longer.length > maxLength) break;
    kept = longer;
  }
  return kept === '' ? undefined : kept;
}
