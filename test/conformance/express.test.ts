import { httpAdapterCases, skipReason } from '@ferrule/testing';
import { expressSubject } from './subjects.js';

describe('the express adapter', () => {
  for (const one of httpAdapterCases) {
    const reason = skipReason(httpAdapterCases, expressSubject, one.name);
    if (reason === undefined) it(one.name, () => one.run(expressSubject)).timeout(one.deadlineMs + 5_000);
    else it.skip(`${one.name} (${reason})`);
  }
});
