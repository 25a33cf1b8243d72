// time and randomness
export { manualClock } from './manual-clock.js';
export type { ManualClock, ManualClockOptions } from './manual-clock.js';
export { seededRandom } from './seeded-random.js';

// the network
export { rawConnection, rawRequest, requestBytes } from './raw-http.js';
export type { RawConnection, RawHead, RawReply, RawTarget } from './raw-http.js';
export { answers, scriptedUpstream } from './scripted-upstream.js';
export type { RecordedRequest, ScriptedAnswer, ScriptedStep, ScriptedUpstream } from './scripted-upstream.js';
export { tcpProxy } from './tcp-proxy.js';
export type { TcpProxy, TcpProxyOptions } from './tcp-proxy.js';

// conformance
export { conformanceCase, skipReason } from './conformance.js';
export type { ConformanceCase, ConformanceSubject, Defer } from './conformance.js';
export { balancerCases } from './balancer/cases.js';
export type { BalancerSubject } from './balancer/subject.js';
export { registryCases } from './registry/cases.js';
export type { RegistryCase } from './registry/bench.js';
export type { OpenRegistry, RegistrySubject } from './registry/subject.js';
export { snapshotStoreCases } from './snapshot-store/cases.js';
export type { OpenSnapshotStore, SnapshotStoreSubject } from './snapshot-store/subject.js';
export { httpAdapterCases } from './http-adapter/cases.js';
export type { HttpAdapterCase } from './http-adapter/stage.js';
export type { ForeignApp, ForeignExchange, ForeignMiddleware, HttpAdapterSubject } from './http-adapter/subject.js';
