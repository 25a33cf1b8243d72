import type { IncomingMessage, ServerResponse } from 'node:http';
import { valueKey } from '../call/values.js';
import type { ValueKey } from '../call/values.js';

/** One request with its response, as a framework hands it over. Made by the adapter for every request that a route takes. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** What the framework itself works on, for example Koa's `ctx`. */
  readonly native?: unknown;
  /** What a parser of the app made of the body, if one ran; it is used as it is. */
  readonly body?: unknown;
  /** Hands the request back to the framework: a native handler that declines calls it. */
  next?: (error?: unknown) => unknown;
  /**
   * What a native handler returned, set when it runs. Its Reply comes when the headers are out, so with a Reply that is `sent` the adapter
   * has to look after this: a rejection is an error that came too late for another answer, and waits for somebody who reports it.
   */
  work?: Promise<unknown>;
}

/** Where wrappers and native handlers find the request that an inbound call was made from. */
export const EXCHANGE: ValueKey<Exchange> = valueKey<Exchange>('exchange');
