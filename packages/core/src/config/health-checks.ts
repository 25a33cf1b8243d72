import type { Directory } from '../discovery/directory.js';
import { bandwidthCheck } from '../health/checks/bandwidth.js';
import type { BandwidthCheckOptions } from '../health/checks/bandwidth.js';
import { cpuCheck } from '../health/checks/cpu.js';
import type { CpuCheckOptions } from '../health/checks/cpu.js';
import { diskSpaceCheck } from '../health/checks/disk-space.js';
import type { DiskSpaceCheckOptions } from '../health/checks/disk-space.js';
import { dnsCheck } from '../health/checks/dns.js';
import type { DnsCheckOptions } from '../health/checks/dns.js';
import { eventLoopCheck } from '../health/checks/event-loop.js';
import type { EventLoopCheckOptions } from '../health/checks/event-loop.js';
import { grpcHealthCheck } from '../health/checks/grpc.js';
import type { GrpcHealthCheckOptions } from '../health/checks/grpc.js';
import { httpCheck } from '../health/checks/http.js';
import type { HttpCheckOptions } from '../health/checks/http.js';
import { memoryCheck } from '../health/checks/memory.js';
import type { MemoryCheckOptions, ResidentThresholds } from '../health/checks/memory.js';
import { openHandlesCheck } from '../health/checks/open-handles.js';
import type { OpenHandlesCheckOptions } from '../health/checks/open-handles.js';
import { registryCheck } from '../health/checks/registry.js';
import type { RegistryCheckOptions } from '../health/checks/registry.js';
import { serviceCheck } from '../health/checks/service.js';
import type { ServiceCheckOptions } from '../health/checks/service.js';
import { tcpCheck } from '../health/checks/tcp.js';
import type { TcpCheckOptions } from '../health/checks/tcp.js';
import type { Thresholds } from '../health/checks/thresholds.js';
import type { Check } from '../health/check.js';
import type { Discovery } from '../registry/registry.js';
import { byType, either, list, record, shape } from './compound-kinds.js';
import { duration, flag, number, numberOrFalse, oneOf, only, text, textLike, whole } from './kind.js';
import type { Kind } from './kind.js';
import { withoutType } from './without-type.js';

type Of<T extends string, O> = { readonly type: T } & Omit<O, 'clock' | 'body'>;

/** A ready-made check, by its type. */
export type HealthCheckConfiguration =
  | Of<'tcp', TcpCheckOptions>
  | Of<'dns', DnsCheckOptions>
  | Of<'http', HttpCheckOptions>
  | Of<'grpc', GrpcHealthCheckOptions>
  | Of<'bandwidth', BandwidthCheckOptions>
  | Of<'diskSpace', DiskSpaceCheckOptions>
  | Of<'memory', MemoryCheckOptions>
  | Of<'eventLoop', EventLoopCheckOptions>
  | Of<'cpu', CpuCheckOptions>
  | Of<'openHandles', OpenHandlesCheckOptions>
  | Of<'registry', RegistryCheckOptions>
  | Of<'service', ServiceCheckOptions>;

/** What of the process the checks ask. */
export interface CheckedParts {
  readonly registry: Pick<Discovery, 'services'> | undefined;
  readonly directory: Pick<Directory, 'ready'> | undefined;
}

/** @throws TypeError for what a check refuses, and for one that asks a registry where there is none. */
export function configuredCheck(config: HealthCheckConfiguration, { registry, directory }: CheckedParts): Check {
  switch (config.type) {
    case 'tcp':
      return tcpCheck(withoutType(config));
    case 'dns':
      return dnsCheck(withoutType(config));
    case 'http':
      return httpCheck(withoutType(config));
    case 'grpc':
      return grpcHealthCheck(withoutType(config));
    case 'bandwidth':
      return bandwidthCheck(withoutType(config));
    case 'diskSpace':
      return diskSpaceCheck(withoutType(config));
    case 'memory':
      return memoryCheck(withoutType(config));
    case 'eventLoop':
      return eventLoopCheck(withoutType(config));
    case 'cpu':
      return cpuCheck(withoutType(config));
    case 'openHandles':
      return openHandlesCheck(withoutType(config));
    case 'registry':
      if (registry === undefined) throw missing('registry');
      return registryCheck(registry, withoutType(config));
    case 'service':
      if (directory === undefined) throw missing('service');
      return serviceCheck(directory, withoutType(config));
  }
}

function missing(type: string): TypeError {
  return new TypeError(
    `checks: one is of the type ${type}, but there is neither a registry nor a direct address. Give registry, or leave the check out.`,
  );
}

const common = {
  type: text,
  name: text,
  critical: flag,
  timeout: duration,
  cacheFor: duration,
  failuresToFail: whole(1),
  successesToPass: whole(1),
  interval: duration,
  initialDelay: duration,
  groups: list(text),
};
const timed = { ...common, warnAfter: duration };
const port = whole(1, 65_535);
const url = textLike("a URL, such as 'http://orders:8080/health'", /^https?:\/\//);
const headers = record(text, { name: 'a name of a header' });
const tls = shape<NonNullable<GrpcHealthCheckOptions['tls']>>()({ ca: text, cert: text, key: text, servername: text });
const levels = { warnAt: numberOrFalse(0), failAt: numberOrFalse(0) };
const thresholds: Kind = either({ scalar: only(false), object: shape<Thresholds>()(levels) });
const inCode = { clock: true } as const;
type Typed<O> = O & { readonly type: string };

/** A list of checks. */
export const healthChecks: Kind = list(
  byType({
    tcp: shape<Typed<TcpCheckOptions>>()({ ...timed, host: text, port }, inCode, { required: ['host', 'port'] }),
    dns: shape<Typed<DnsCheckOptions>>()(
      { ...timed, hostname: text, record: oneOf(['A', 'AAAA', 'CNAME', 'MX', 'NS', 'SRV', 'TXT']), atLeast: whole(1), servers: list(text) },
      inCode,
      { required: ['hostname'] },
    ),
    http: shape<Typed<HttpCheckOptions>>()(
      {
        ...timed,
        url,
        method: oneOf(['GET', 'HEAD']),
        status: either({ scalar: whole(200, 599), list: list(whole(200, 599)) }),
        maxLatency: duration,
        headers,
        tls,
      },
      { ...inCode, body: true },
      { required: ['url'] },
    ),
    grpc: shape<Typed<GrpcHealthCheckOptions>>()({ ...timed, url, service: text, metadata: headers, tls }, inCode, { required: ['url'] }),
    bandwidth: shape<Typed<BandwidthCheckOptions>>()({ ...common, url, warnBelow: whole(1), failBelow: whole(1), maxBytes: whole(16_384) }, inCode, {
      required: ['url'],
    }),
    diskSpace: shape<Typed<DiskSpaceCheckOptions>>()({ ...common, ...levels, path: text, minFree: whole(0) }),
    memory: shape<Typed<MemoryCheckOptions>>()({
      ...common,
      heap: thresholds,
      rss: either({ scalar: only(false), object: shape<ResidentThresholds>()({ ...levels, limit: number(1) }) }),
    }),
    eventLoop: shape<Typed<EventLoopCheckOptions>>()({ ...common, delay: thresholds, utilization: thresholds }),
    cpu: shape<Typed<CpuCheckOptions>>()({ ...common, process: thresholds, host: thresholds, window: duration }, inCode),
    openHandles: shape<Typed<OpenHandlesCheckOptions>>()({ ...common, ...levels, types: list(text) }),
    registry: shape<Typed<RegistryCheckOptions>>()(timed, inCode),
    service: shape<Typed<ServiceCheckOptions>>()({ ...common, service: text, atLeast: whole(0), warnBelow: whole(1) }, {}, { required: ['service'] }),
  }),
  'a list of checks { type, … }',
);
