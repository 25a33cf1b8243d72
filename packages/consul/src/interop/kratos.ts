import type { Instance } from '@ferrule/core';
import { originOf } from '@ferrule/core/adapter';

/*
 * Kratos keeps its endpoints as URLs in TaggedAddresses, by scheme; the service's own address is that of the first of them, which may be
 * gRPC. Its weights are relative to 100.
 */

export type TaggedAddresses = Readonly<Record<string, { readonly Address?: string; readonly Port?: number } | null>>;

/** What an instance without a weight has there. */
const USUAL_WEIGHT = 100;

export interface KratosEndpoint {
  /** `http`, `https`, `grpc`, … */
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
}

/** Where Kratos' clients find an instance. The scheme tells newer ones that it is secure, the query older ones. */
export function kratosAddresses(instance: Instance): TaggedAddresses {
  const { scheme = 'http', port } = instance;
  return { [scheme]: { Address: `${originOf(instance)}?isSecure=${scheme === 'https'}`, Port: port } };
}

export function kratosWeight(weight: number): string {
  return String(Math.round(weight * USUAL_WEIGHT));
}

/** One of ours for a weight of theirs. */
export function weightOfKratos(weight: string | undefined): number | undefined {
  const number = weight === undefined || weight === '' ? Number.NaN : Number(weight);
  return number >= 0 && number !== USUAL_WEIGHT ? number / USUAL_WEIGHT : undefined;
}

/** The endpoint to call: of several the HTTP one. Undefined when no address is a URL: then Kratos has not written them. */
export function kratosEndpoint(addresses: TaggedAddresses | null | undefined): KratosEndpoint | undefined {
  const found = Object.values(addresses ?? {}).flatMap((address) => endpointOf(address?.Address) ?? []);
  return found.find(({ scheme }) => scheme === 'http' || scheme === 'https') ?? found[0];
}

function endpointOf(address: string | undefined): KratosEndpoint | undefined {
  if (address?.includes('://') !== true) return undefined;
  const url = URL.parse(address);
  if (url === null || url.hostname === '') return undefined;
  const secure = url.searchParams.get('isSecure') === 'true';
  const plain = url.protocol.slice(0, -1);
  const scheme = secure && !plain.endsWith('s') ? `${plain}s` : plain;
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  return { scheme, host: url.hostname.replace(/^\[|\]$/g, ''), port };
}
