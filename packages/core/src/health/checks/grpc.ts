import { checkOptions, checkRecord, namesOf } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import { originOf } from '../../registry/registry.js';
import type { Check } from '../check.js';
import { addressOf } from './address.js';
import { askGrpcHealth } from './grpc-health.js';
import type { GrpcHealthTls } from './grpc-health.js';
import { TIMED_OPTIONS, timedCheck } from './made-check.js';
import type { TimedCheckOptions } from './made-check.js';

export interface GrpcHealthCheckOptions extends TimedCheckOptions {
  /** `http://host:port` for HTTP/2 without TLS, or `https://host:port`; nothing behind it. */
  readonly url: string;
  /** Of the server, such as `shop.Orders`. Default: the server as a whole. */
  readonly service?: string;
  /** Sent with every question, such as `authorization`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Of https: a CA of yours, a client certificate, the name to verify. */
  readonly tls?: GrpcHealthTls;
}

const OPTIONS = namesOf<GrpcHealthCheckOptions>({ ...TIMED_OPTIONS, url: true, service: true, metadata: true, tls: true });
const TLS_OPTIONS = namesOf<GrpcHealthTls>({ ca: true, cert: true, key: true, servername: true });

/**
 * Asks a gRPC server by its health protocol (`grpc.health.v1.Health/Check`, https://github.com/grpc/grpc/blob/master/doc/health-checking.md), over
 * a connection of its own each time. `SERVING` passes. What it says else: `NOT_SERVING`, `UNKNOWN`, `grpc-status 5` for a service that the server
 * does not know, or an error's code. Its name is `grpc <host>`, with the service behind it, by default.
 * @throws TypeError for an option that is unknown or does not fit.
 */
export function grpcHealthCheck(options: GrpcHealthCheckOptions): Check {
  checkOptions('grpcHealthCheck', options, OPTIONS);
  const { service = '', metadata = {}, tls = {} } = options;
  const { instance, path } = addressOf(options.url, 'grpcHealthCheck');
  if (path !== '/')
    throw new TypeError(`grpcHealthCheck url: ${shown(options.url)} has a path. Give the origin alone, such as 'http://orders:50051'.`);
  if (typeof service !== 'string' || service.length > 1_000)
    throw new TypeError(`grpcHealthCheck service: ${shown(service)} is no name of a service. Give one such as 'shop.Orders', or leave it out.`);
  checkRecord(metadata, 'grpcHealthCheck metadata');
  checkOptions('grpcHealthCheck tls', tls, TLS_OPTIONS);
  if (instance.scheme === 'http' && Object.keys(tls).length > 0)
    throw new TypeError('grpcHealthCheck tls: the url is http, which has none. Give an https url, or leave it out.');
  const origin = originOf(instance);
  return timedCheck({
    factory: 'grpcHealthCheck',
    known: OPTIONS,
    options,
    defaults: { name: `grpc ${instance.host}${service === '' ? '' : ` ${service}`}` },
    async run({ signal }) {
      const said = await askGrpcHealth({ origin, service, metadata, tls, signal });
      return said === 'SERVING' ? { status: 'pass' } : { status: 'fail', output: said };
    },
  });
}
