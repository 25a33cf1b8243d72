// What is measured of the parts beside the policies: discovery, balancing and health, by names in the manner of OpenTelemetry.

/** One instrument. */
export interface StateInstrument {
  /** `counter` only ever rises and is summed over its sources; of a `gauge` the highest value is told. */
  readonly type: 'counter' | 'gauge';
  readonly unit: string;
  readonly description: string;
}

export type StateInstrumentName = 'ferrule.registry.instances' | 'ferrule.registry.watch.errors' | 'ferrule.lb.picks' | 'ferrule.health.status';

export const STATE_INSTRUMENTS: Readonly<Record<StateInstrumentName, StateInstrument>> = {
  'ferrule.registry.instances': {
    type: 'gauge',
    unit: '{instance}',
    description: 'Instances of a watched service, by the status that its registry tells.',
  },
  'ferrule.registry.watch.errors': { type: 'counter', unit: '{error}', description: 'Watches of a service that the registry refused or broke off.' },
  'ferrule.lb.picks': { type: 'counter', unit: '{pick}', description: 'Endpoints that a balancer picked, by its name.' },
  'ferrule.health.status': {
    type: 'gauge',
    unit: '1',
    description: 'The last answer of a check: 0 pass, 1 warn, 2 fail; of several with one name the worst.',
  },
};
