import type { Call } from '@ferrule/core';
import type { Balancer } from '@ferrule/core/adapter';

/** `key` says what calls have in common that shall go to one instance; undefined leaves a call to the client's fallback balancer. */
export function sticky(options: { readonly key: (call: Call) => string | undefined }): Balancer;
