import { Reply } from '../call/reply.js';
import { checkClientErrors } from '../errors/known-kinds.js';
import { checkOwnAnswers } from '../errors/own-answers.js';
import { checkList, checkOptions } from '../options/check.js';
import { shown } from '../options/shown.js';
import { OBSERVE_ATTEMPT_OPTIONS } from '../telemetry/observe-attempt.js';
import { OBSERVE_CALL_OPTIONS } from '../telemetry/observe-call.js';
import { traitsOf } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import type { OutboundPolicies } from './stack.js';

/** What the parts themselves could not tell, as their options are spread into others. @throws TypeError naming option, value and remedy. */
export function checkPolicies(options: OutboundPolicies): void {
  const { telemetry, fallback: substitute, bulkhead: permits, chaos: faults } = options;
  checkClientErrors(options.errors, 'errors');
  checkOwnAnswers(options.toOwn, 'toOwn');
  checkList(options.wrappers, 'wrappers', 'wrappers');
  checkList(options.attemptWrappers, 'attemptWrappers', 'wrappers');
  if (telemetry !== undefined && telemetry !== false)
    checkOptions('telemetry', telemetry, [...new Set([...OBSERVE_CALL_OPTIONS, ...OBSERVE_ATTEMPT_OPTIONS])]);
  if (substitute !== undefined && typeof substitute !== 'function' && !(substitute instanceof Reply) && !isFallbackService(substitute))
    throw new TypeError(
      `fallback: ${shown(substitute)} is no Reply. Give new Reply(200, …), a function that makes one, or another service as { service: client }.`,
    );
  for (const [name, example] of Object.entries(EXAMPLES) as [keyof typeof EXAMPLES, string][]) {
    const value: unknown = options[name];
    if (value === undefined || (typeof value === 'boolean' && name !== 'rateLimit') || (typeof value === 'object' && value !== null)) continue;
    throw new TypeError(
      `${name}: ${shown(value)} does not fit. Give its options, such as ${example}${name === 'rateLimit' ? '' : ', or true or false'}.`,
    );
  }
  if (permits !== undefined && typeof permits !== 'number' && (typeof permits !== 'object' || permits === null))
    throw new TypeError(`bulkhead: ${shown(permits)} does not fit. Give a number of calls, or { limit: 20, queue: 10 }.`);
  if (faults !== undefined && !isChaos(faults) && (typeof faults !== 'object' || faults === null))
    throw new TypeError(
      `chaos: ${shown(faults)} does not fit. Give its options, such as { enabled: true, error: { rate: 0.01 } }, or what chaos() made.`,
    );
}

const EXAMPLES = {
  retry: '{ retries: 2 }',
  hedge: "{ delay: '50ms' }",
  throttle: '{ k: 2 }',
  circuitBreaker: "{ openFor: '5s' }",
  concurrencyLimit: '{ max: 100 }',
  replyCache: "{ ttl: '10s' }",
  rateLimit: "{ limit: 100, per: '1s' }",
} as const satisfies Partial<Record<keyof OutboundPolicies, string>>;

function isChaos(value: unknown): boolean {
  return typeof value === 'function' && traitsOf(value as Wrapper).injects === true;
}

function isFallbackService(value: object): boolean {
  const service: unknown = (value as { readonly service?: unknown }).service;
  return typeof service === 'function' || typeof (service as { readonly handler?: unknown } | null | undefined)?.handler === 'function';
}
