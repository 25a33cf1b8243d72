import { registryCases, skipReason } from '@ferrule/testing';
import type { RegistrySubject } from '@ferrule/testing';
import { describeWithConsul } from '../support/consul.js';
import { describeWithEtcd } from '../support/etcd.js';
import { consulSubject, etcdSubject, fileSubject, memorySubject, staticSubject } from './registry-subjects.js';

/** Cases have deadlines of their own; mocha's is for what hangs beyond them. */
const GRACE_MS = 5_000;

function cases(subject: RegistrySubject): void {
  for (const one of registryCases) {
    const reason = skipReason(registryCases, subject, one.name);
    if (reason === undefined) it(one.name, () => one.run(subject)).timeout(one.deadlineMs + GRACE_MS);
    else it.skip(`${one.name} (${reason})`);
  }
}

for (const subject of [memorySubject, staticSubject, fileSubject]) describe(`the ${subject.name} registry`, () => cases(subject));

describeWithConsul('the consul registry, on an agent', () => {
  before(() => consulSubject.start());
  after(() => consulSubject.stop());
  cases(consulSubject);
});

describeWithEtcd('the etcd registry, on a server', () => {
  before(() => etcdSubject.start());
  after(() => etcdSubject.stop());
  cases(etcdSubject);
});
