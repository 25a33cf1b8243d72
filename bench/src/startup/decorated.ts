// A decorated hello.
import { Controller, Get, createService, param, silentLogger } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';

@Controller()
class HelloController {
  @Get('/hello0/:name', param('name'))
  hello(name: string): { hello: string } {
    return { hello: name };
  }
}

export async function start(): Promise<number> {
  const service = createService({
    name: 'bench',
    adapter: expressAdapter(),
    controllers: [HelloController],
    signals: false,
    logger: silentLogger,
    listen: { host: '127.0.0.1' },
  });
  return (await service.start()).port;
}
