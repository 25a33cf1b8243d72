// A decorated hello whose parts come from a container, as the peers' do.
import { Controller, Get, param, silentLogger } from '@ferrule/core';
import { coreModule, createService, load } from '@ferrule/core/di';
import { expressModule } from '@ferrule/express';
import { Container } from 'inversify';

@Controller()
class HelloController {
  @Get('/hello0/:name', param('name'))
  hello(name: string): { hello: string } {
    return { hello: name };
  }
}

export async function start(): Promise<number> {
  const container = new Container();
  load(container, coreModule({ name: 'bench', signals: false, logger: silentLogger, listen: { host: '127.0.0.1' } }), expressModule());
  container.bind(HelloController).toSelf().inSingletonScope();
  return (await createService(container, { controllers: [HelloController] }).start()).port;
}
