// The same hello as a controller of each peer. Their packages come untyped from .cache, so that the parts in use are described here,
// and decorators are applied by hand, which is what a compiler makes of them.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { RequestListener } from 'node:http';

type ClassDecorate = (target: object) => void;
type MethodDecorate = (prototype: object, name: string, descriptor: PropertyDescriptor) => void;
type ParameterDecorate = (prototype: object, name: string, index: number) => void;

interface Verbs {
  readonly Get: (path: string) => MethodDecorate;
}

async function load<T>(peers: string, name: string): Promise<T> {
  return (await import(pathToFileURL(createRequire(peers).resolve(name)).href)) as T;
}

/** A class whose `hello(name)` is decorated for `paths`; the first is what is asked for. */
function helloController(
  paths: readonly string[],
  decorate: { controller: ClassDecorate; get: (path: string) => MethodDecorate; param: ParameterDecorate },
): new () => object {
  class HelloController {}
  const prototype = HelloController.prototype;
  for (const [index, path] of paths.entries()) {
    const name = `hello${index}`;
    const descriptor = { configurable: true, writable: true, enumerable: false, value: (who: string) => ({ hello: who }) };
    Object.defineProperty(prototype, name, descriptor);
    // What emitDecoratorMetadata adds.
    (Reflect as unknown as { defineMetadata(key: string, value: unknown, target: object, name: string): void }).defineMetadata(
      'design:paramtypes',
      [String],
      prototype,
      name,
    );
    decorate.param(prototype, name, 0);
    decorate.get(path)(prototype, name, descriptor);
  }
  decorate.controller(HelloController);
  return HelloController;
}

export async function nest(peers: string, paths: readonly string[]): Promise<RequestListener> {
  await load(peers, 'reflect-metadata');
  const common = await load<
    Verbs & { Controller: () => ClassDecorate; Param: (name: string) => ParameterDecorate; Module: (options: object) => ClassDecorate }
  >(peers, '@nestjs/common');
  const core = await load<{
    NestFactory: {
      create(module: object, options: object): Promise<{ init(): Promise<void>; getHttpAdapter(): { getInstance(): RequestListener } }>;
    };
  }>(peers, '@nestjs/core');
  const controller = helloController(paths, { controller: common.Controller(), get: common.Get, param: common.Param('name') });
  class AppModule {}
  common.Module({ controllers: [controller] })(AppModule);
  const app = await core.NestFactory.create(AppModule, { logger: false });
  await app.init();
  return app.getHttpAdapter().getInstance();
}

export async function inversifyHttp(peers: string, paths: readonly string[]): Promise<RequestListener> {
  await load(peers, 'reflect-metadata');
  const http = await load<Verbs & { Controller: () => ClassDecorate; Params: (options: { name: string }) => ParameterDecorate }>(
    peers,
    '@inversifyjs/http-core',
  );
  const { InversifyExpressHttpAdapter } = await load<{
    InversifyExpressHttpAdapter: new (container: object) => { build(): Promise<RequestListener> };
  }>(peers, '@inversifyjs/http-express');
  const { Container } = await load<{ Container: new () => { bind(token: object): { toSelf(): { inSingletonScope(): void } } } }>(peers, 'inversify');
  const controller = helloController(paths, { controller: http.Controller(), get: http.Get, param: http.Params({ name: 'name' }) });
  const container = new Container();
  container.bind(controller).toSelf().inSingletonScope();
  return new InversifyExpressHttpAdapter(container).build();
}

export async function routingControllers(peers: string, paths: readonly string[]): Promise<RequestListener> {
  await load(peers, 'reflect-metadata');
  const library = await load<
    Verbs & { JsonController: () => ClassDecorate; Param: (name: string) => ParameterDecorate; createExpressServer(options: object): RequestListener }
  >(peers, 'routing-controllers');
  const controller = helloController(paths, { controller: library.JsonController(), get: library.Get, param: library.Param('name') });
  return library.createExpressServer({ controllers: [controller] });
}
