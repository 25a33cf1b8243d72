import type { ServerResponse } from 'node:http';
import type { Call } from '../call/call.js';
import { detached, runInContext } from '../call/context.js';

const APP_CALL = Symbol('ferrule.appCall');

type AppResponse = ServerResponse & { [APP_CALL]?: Call };

/**
 * Runs an app that has middleware and routes of its own on behalf of `call`: outbound calls from there inherit the request's deadline, id
 * and cancellation too. A route of ours inside makes a call of its own.
 */
export function runApp<T>(res: ServerResponse, call: Call, app: () => T): T {
  (res as AppResponse)[APP_CALL] = call;
  return runInContext(call, app);
}

/** Runs what is not part of our route any more, as the rest of the app behind one that declined: on behalf of the app's call, if it has one. */
export function outsideOfRoute<T>(res: ServerResponse, work: () => T): T {
  const call = (res as AppResponse)[APP_CALL];
  return call === undefined ? detached(work) : runInContext(call, work);
}
