import { Tokens } from '@ferrule/core/adapter';
import type { Module } from '@ferrule/core/adapter';
import { expressAdapter } from './express-adapter.js';
import type { ExpressAdapterOptions } from './express-adapter.js';

/** Binds `Tokens.Adapter` to an `expressAdapter`, for `load` of `@ferrule/core/di`. It loads no container itself. */
export function expressModule(options: ExpressAdapterOptions = {}): Module {
  return { name: 'express', load: ({ bind }) => bind(Tokens.Adapter, () => expressAdapter(options)) };
}
