import { expect } from 'chai';
import { conformanceCase, httpAdapterCases, registryCases, skipReason, snapshotStoreCases } from '@ferrule/testing';
import type { ConformanceSubject, RegistrySubject } from '@ferrule/testing';

const rejection = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('conformance cases', () => {
  for (const [of, cases, least] of [
    ['HTTP adapters', httpAdapterCases, 40],
    ['registries', registryCases, 40],
    ['snapshot stores', snapshotStoreCases, 10],
  ] as const)
    it(`of ${of} have unique names that are sentences, and deadlines`, () => {
      const names = cases.map(({ name }) => name);
      expect(new Set(names).size).to.equal(names.length);
      expect(names.length).to.be.at.least(least);
      for (const one of cases) expect([one.name, one.name.split(' ').length > 3 && one.deadlineMs > 0]).to.deep.equal([one.name, true]);
    });

  it('end by themselves when the subject hangs, and clean up', async () => {
    const cleaned: string[] = [];
    const hangs = conformanceCase<string>(
      'a case that hangs',
      (_subject, defer) => {
        defer(() => cleaned.push('first'));
        defer(() => cleaned.push('second'));
        return new Promise(() => {});
      },
      10,
    );
    expect(await rejection(hangs.run('x'))).to.have.property('message', 'Not done after 10 ms: a case that hangs');
    expect(cleaned).to.deep.equal(['second', 'first']);
  });

  it('reject with what was wrong', async () => {
    const wrong = conformanceCase<string>('a case that fails', () => Promise.reject(new Error('wrong')));
    expect(await rejection(wrong.run('x'))).to.have.property('message', 'wrong');
  });

  it('are skipped by name with a reason, and a skip that names no case is an error', () => {
    const cases = [conformanceCase<ConformanceSubject>('a', () => Promise.resolve())];
    expect(skipReason(cases, { name: 's', skips: { a: 'because' } }, 'a')).to.equal('because');
    expect(skipReason(cases, { name: 's' }, 'a')).to.equal(undefined);
    expect(() => skipReason(cases, { name: 's', skips: { gone: 'because' } }, 'a')).to.throw(TypeError, /there is no case "gone"/);
  });

  it('are skipped where the subject does not offer what they need, and reject when they are run all the same', async () => {
    const subject: RegistrySubject = { name: 'mine', open: () => Promise.reject(new Error('it was opened')) };
    const lacking = registryCases.filter((one) => skipReason(registryCases, subject, one.name) !== undefined);
    expect(lacking).to.have.length.above(5);
    for (const one of lacking)
      expect(await rejection(one.run(subject)))
        .to.be.instanceOf(TypeError)
        .with.property('message')
        .that.matches(/skipReason/);
    const able: RegistrySubject = { ...subject, corrupt: () => Promise.resolve(), outage: () => Promise.resolve(() => Promise.resolve()) };
    for (const one of registryCases) expect(skipReason(registryCases, able, one.name)).to.equal(undefined);
  });

  it('end when they are told to instead of at their own deadline', async () => {
    const hangs = conformanceCase<string>('a case that hangs', () => new Promise(() => {}));
    expect(await rejection(hangs.run('x', 5))).to.have.property('message', 'Not done after 5 ms: a case that hangs');
  });
});
