// Compiled under both kinds of decorators: each mistake below has to be an error of the compiler, or this file does not compile.
import * as v from 'valibot';
import { z } from 'zod';
import { Inject } from '@ferrule/core/di';
import { Controller, Get, Post, body, context, header, param, query } from '@ferrule/core';
import type { Call, InputOf, Remote, RemoteOf } from '@ferrule/core';

const Order = z.object({ item: z.string() });
const input = { params: v.object({ id: v.pipe(v.string(), v.transform(Number)) }) };

@Controller('/right')
export class Right {
  @Get('/:id/:n', param('id'), param('n', Number))
  both(_id: string, _n: number): void {}

  @Get('/:id', param('id'), query('q'), header('x-n', Number), context())
  fewer(_id: string, _q: string | undefined): void {}

  @Post('', body(Order))
  create(_order: { item: string }): void {}

  @Get('/contract/:id', { input })
  contract(_call: Call, { params }: InputOf<typeof input>): number {
    return params.id;
  }
}

@Controller('/wrong')
export class Wrong {
  // @ts-expect-error the second source gives a number
  @Get('/:id/:n', param('id'), param('n', Number))
  number(_id: string, _n: string): void {}

  // @ts-expect-error a query parameter may be missing
  @Get('/query', query('q'))
  missing(_q: string): void {}

  // @ts-expect-error there are more parameters than sources
  @Get('/:id/more', param('id'))
  more(_id: string, _other: string): void {}

  // @ts-expect-error the schema gives another object
  @Post('', body(Order))
  schema(_order: { amount: number }): void {}

  // @ts-expect-error the schema makes a number of the text
  @Get('/contract/:id', { input })
  contract(_call: Call, _input: { params: { id: string } }): void {}
}

class Store {}

// @ts-expect-error the constructor takes no Store
@Inject(Store)
export class Injected {
  constructor(readonly text: string) {}
}

export async function remotes(
  find: Remote<{ params: { id: string } }, Store>,
  all: Remote<{ query?: { limit?: number } }, readonly Store[]>,
  contract: RemoteOf<{ input: typeof input; output: typeof Order }>,
): Promise<readonly unknown[]> {
  const order: { item: string } = await contract({ params: { id: '1' } });
  // @ts-expect-error the parameters are missing
  const missing = find();
  // @ts-expect-error the parameter has another name
  const other = find({ params: { name: '1' } });
  return [await find({ params: { id: '1' }, timeout: '1s' }), await all(), await all({ query: { limit: 1 } }), order, missing, other];
}
