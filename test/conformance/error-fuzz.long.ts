import { fuzzRemote, fuzzThrown } from '../support/error-fuzz.js';
import { subjects } from './subjects.js';

const AMOUNT = { values: 20_000, sockets: 1_000 };

describe('whatever goes wrong, 20,000 times each', () => {
  for (const subject of subjects) {
    it(`thrown at ${subject.name}`, async function () {
      this.timeout(300_000);
      await fuzzThrown(subject, AMOUNT);
    });

    it(`answered to ${subject.name}`, async function () {
      this.timeout(300_000);
      await fuzzRemote(subject, AMOUNT);
    });
  }
});
