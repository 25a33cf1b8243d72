import { expect } from 'chai';
import { fromConfig, loadConfig, monitor, silentLogger } from '@ferrule/core';
import type { ConfigError, ConfigSource, MonitorOptions } from '@ferrule/core';

const wrongs = async (checks: readonly object[], more: object = {}): Promise<readonly string[]> => {
  const error: unknown = await loadConfig({ service: { name: 'orders', health: { checks } }, ...more } as ConfigSource, { env: {} }).catch(
    (thrown: unknown) => thrown,
  );
  return (error as ConfigError).problems.map(({ message }) => message);
};

describe('health checks by configuration', () => {
  it('makes one of each type, which runs', async () => {
    const parts = await fromConfig(
      {
        registry: 'memory',
        service: {
          name: 'orders',
          health: {
            history: 3,
            checks: [
              { type: 'tcp', host: '127.0.0.1', port: 1 },
              { type: 'dns', hostname: 'a.test', servers: ['127.0.0.1:1'], groups: ['names'] },
              { type: 'http', url: 'http://127.0.0.1:1/', status: [200, 204], critical: false },
              { type: 'grpc', url: 'http://127.0.0.1:1' },
              { type: 'bandwidth', url: 'http://127.0.0.1:1', failBelow: 1 },
              { type: 'diskSpace', warnAt: 1, failAt: false },
              { type: 'memory', heap: { failAt: 0 }, rss: false },
              { type: 'eventLoop' },
              { type: 'cpu', host: false },
              { type: 'openHandles', types: ['NothingOfThat'] },
              { type: 'registry' },
              { type: 'service', service: 'stock', atLeast: 1 },
            ],
          },
        },
      },
      { env: {}, logger: silentLogger },
    );
    const health = monitor(parts.service.health as MonitorOptions);
    const told = (await health.ask()).map(
      ({ name, status, output }) => `${name}: ${status}${output === undefined ? '' : ` ${output.split(' ')[0]}`}`,
    );
    health.close();
    await parts[Symbol.asyncDispose]();
    expect(told.map((one) => one.replace(/^disk .*:/, 'disk:').replace('fail timeout', 'fail ECONNREFUSED'))).to.deep.equal([
      'tcp 127.0.0.1:1: fail ECONNREFUSED',
      'dns a.test: fail ECONNREFUSED',
      'http 127.0.0.1: warn ECONNREFUSED',
      'grpc 127.0.0.1: fail ECONNREFUSED',
      'bandwidth 127.0.0.1: fail ECONNREFUSED',
      'disk: pass',
      'memory: fail heap',
      'event loop: pass',
      'cpu: pass',
      'open handles: pass',
      'registry: pass',
      'service stock: fail 0',
    ]);
  });

  it('says where a check does not fit', async () => {
    const [type, missing, option, threshold, taken] = await wrongs([
      { type: 'tpc' },
      { type: 'tcp', host: 'a' },
      { type: 'cpu', hosts: false },
      { type: 'diskSpace', warnAt: 0.9, failAt: 0.8 },
      { type: 'memory' },
      { type: 'memory' },
    ]);
    expect(type).to.match(/^service\.health\.checks\[0\]\.type: .*tcp/);
    expect(missing).to.match(/^service\.health\.checks\[1\]\.port: /);
    expect(option).to.match(/^service\.health\.checks\[2\]\.hosts: .*host/);
    expect(threshold).to.match(/^service\.health\.checks\[3\]: .*would never warn/);
    expect(taken).to.match(/^service\.health\.checks\[5\]: .*memory is taken/);
  });

  it('refuses to ask a registry where there is none', async () => {
    expect((await wrongs([{ type: 'registry' }]))[0]).to.match(/^service\.health\.checks\[0\]: .*neither a registry nor a direct address/);
  });
});
