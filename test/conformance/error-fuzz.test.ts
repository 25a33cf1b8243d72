import { fuzzRemote, fuzzThrown } from '../support/error-fuzz.js';
import { subjects } from './subjects.js';

// `npm run test:long` has ten times as many.
const AMOUNT = { values: 1_000, sockets: 100 };

describe('whatever goes wrong', () => {
  for (const subject of subjects) {
    it(`at ${subject.name}: every thrown value is answered, and no secret in it leaves`, async function () {
      this.timeout(30_000);
      await fuzzThrown(subject, AMOUNT);
    });

    it(`at ${subject.name}: every answer of another service becomes one of ours, and no secret in it leaves`, async function () {
      this.timeout(30_000);
      await fuzzRemote(subject, AMOUNT);
    });
  }
});
