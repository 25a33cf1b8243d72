import { Tokens } from '@ferrule/core/adapter';
import type { Module } from '@ferrule/core/adapter';
import { koaAdapter } from './koa-adapter.js';
import type { KoaAdapterOptions } from './koa-adapter.js';

/** Binds `Tokens.Adapter` to an `koaAdapter`, for `load` of `@ferrule/core/di`. It loads no container itself. */
export function koaModule(options: KoaAdapterOptions = {}): Module {
  return { name: 'koa', load: ({ bind }) => bind(Tokens.Adapter, () => koaAdapter(options)) };
}
