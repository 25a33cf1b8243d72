import { expect } from 'chai';
import { conformanceCase, httpAdapterCases, skipReason } from '@ferrule/testing';
import type { ConformanceSubject } from '@ferrule/testing';

const rejection = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('conformance cases', () => {
  it('have unique names that are sentences, and deadlines', () => {
    const names = httpAdapterCases.map(({ name }) => name);
    expect(new Set(names).size).to.equal(names.length);
    expect(names.length).to.be.at.least(40);
    for (const one of httpAdapterCases) expect([one.name, one.name.split(' ').length > 3 && one.deadlineMs > 0]).to.deep.equal([one.name, true]);
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
});
