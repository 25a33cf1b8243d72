// What the policies cost, against the libraries that people use for it. Each part gives its rows; a policy has a module of its own in resilience/.
import { report } from './harness.js';
import { onNode24 } from './peers.js';
import { failureRows, refusalRows } from './resilience/failure.js';
import { hedgingRows } from './resilience/hedging.js';
import { limiterRows } from './resilience/limiter.js';
import { millionRows } from './resilience/million.js';
import { stormRows } from './resilience/storm.js';
import { successRows } from './resilience/success.js';

onNode24(import.meta.url);

const rows = [
  ...(await successRows()),
  ...(await refusalRows()),
  ...(await failureRows()),
  ...(await millionRows()),
  ...(await stormRows()),
  ...(await hedgingRows()),
  ...(await limiterRows()),
];
report('resilience', rows);
