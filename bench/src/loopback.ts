// Balancing outside of any simulator, on real processes: ours beside peers with the same load, and the default rule beside others of ours.
import { parseArgs } from 'node:util';
import { report } from './harness.js';
import { shareRows } from './loopback/shares.js';
import { sideBySideRows } from './loopback/side-by-side.js';
import { onNode24 } from './peers.js';

onNode24(import.meta.url);
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1' },
    json: { type: 'string' },
    only: { type: 'string' },
    ours: { type: 'boolean', default: false },
  },
});
const rows = options.ours ? [] : await sideBySideRows(Number(options.rounds), options.only);
report('loopback', options.only === undefined ? [...rows, ...(await shareRows())] : rows);
