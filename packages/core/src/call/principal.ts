import { valueKey } from './values.js';
import type { ValueKey } from './values.js';

/** Who an inbound call is made for, as the application's own authentication knows it. */
export interface Principal {
  readonly id: string;
  /** What else is known: a tenant, a plan, roles. Routing rules read texts, numbers, booleans and lists of them. */
  readonly [claim: string]: unknown;
}

/**
 * Where routing rules and canaries look for the caller's identity. Nothing here sets it: only the application knows what its authentication
 * leaves behind (`req.user` of passport, `req.auth` of express-jwt, `ctx.state.user` in Koa). A wrapper of the service copies it:
 *
 *     const identify: Wrapper = (next) => (call) => {
 *       const user = (call.values.get(EXCHANGE)?.req as { user?: { id: string } }).user;
 *       if (user !== undefined) call.values.set(PRINCIPAL, { id: user.id });
 *       return next(call);
 *     };
 */
export const PRINCIPAL: ValueKey<Principal> = valueKey<Principal>('principal');
