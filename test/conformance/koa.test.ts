import { httpAdapterCases, skipReason } from '@ferrule/testing';
import { koaSubject } from './subjects.js';

describe('the koa adapter', () => {
  for (const one of httpAdapterCases) {
    const reason = skipReason(httpAdapterCases, koaSubject, one.name);
    if (reason === undefined) it(one.name, () => one.run(koaSubject)).timeout(one.deadlineMs + 5_000);
    else it.skip(`${one.name} (${reason})`);
  }
});
