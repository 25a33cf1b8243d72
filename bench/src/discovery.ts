// What discovery costs, and how fast a change is seen. Each part gives its rows; a registry has a module of its own in discovery/.
import { consulRows } from './discovery/consul.js';
import { directoryRows } from './discovery/directory.js';
import { fileRows } from './discovery/file.js';
import { report } from './harness.js';

report('discovery', [...(await directoryRows()), ...(await fileRows()), ...(await consulRows())]);
