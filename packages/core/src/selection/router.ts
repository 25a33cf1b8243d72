import type { Call } from '../call/call.js';
import type { Instance } from '../registry/registry.js';

/** Some of a service's instances, as a router wants them. Make each once: calls with the same target share a view. */
export interface Target {
  /** Not empty. Targets with the same key keep the same instances; 64 views of a selector are cached beside those of its routers' `targets`. */
  readonly key: string;
  /** Asked once for each instance when membership changes, never per pick: what it answers depends on the instance alone. */
  keep(instance: Instance): boolean;
}

/** What a router may ask of the selector while it decides. */
export interface TargetStates {
  /** Whether nobody of the target can take this call: no instance is ready there, and there is none that the call may probe. */
  isEmpty(target: Target, call: Call): boolean;
}

/**
 * Says which instances a call may reach, before one of them is picked. Synchronous and cheap: it is asked once for each call, not for retries,
 * which stay with their target while it has somebody.
 */
export interface Router {
  readonly name: string;
  /** All that it may answer, when they are known. */
  readonly targets?: readonly Target[];
  /** undefined: no opinion, all instances. */
  route(call: Call, states: TargetStates): Target | undefined;
}
