// What experimentalDecorators and emitDecoratorMetadata alone can do: parameter decorators, and constructors that say by their types what they want.
import { z } from 'zod';
import { Inject, Tokens } from '@ferrule/core/di';
import { Body, Context, Controller, Get, Header, Param, Post, Query, ServiceClient } from '@ferrule/core';
import type { Call, Logger, Query as QueryValues, Remote } from '@ferrule/core';
import type { Hidden } from './hidden.js';

export class Store {
  readonly name: string = 'store';
}

export class BetterStore extends Store {
  override readonly name: string = 'better';
}

@ServiceClient('http://127.0.0.1:9')
export class Elsewhere {
  @Get('/x') readonly x!: Remote;
}

@Controller('/injected')
export class Injected {
  constructor(
    readonly store: Store,
    readonly elsewhere: Elsewhere,
    @Inject(Tokens.Logger) readonly logger: Logger,
  ) {}

  @Get('/:id/:n')
  all(
    @Param('id') id: string,
    @Param('n', Number) n: number,
    @Query('q') q: string | undefined,
    @Query() every: QueryValues,
    @Header('X-Name') name: string | undefined,
    @Context() call: Call,
  ): unknown {
    return { id, n, q, every: Object.keys(every), name, operation: call.operation.name, store: this.store.name };
  }

  @Post()
  create(@Body(z.object({ item: z.string() })) order: { item: string }): unknown {
    return order;
  }
}

/** Without a constructor of its own. */
@Controller('/derived')
export class Derived extends Injected {}

interface Nothing {
  readonly nothing?: true;
}

@Controller('/type-only')
export class TypeOnly {
  constructor(readonly hidden: Hidden) {}

  @Get('/')
  get(): void {}
}

@Controller('/interface')
export class Interfaced {
  constructor(
    readonly store: Store,
    readonly nothing: Nothing,
  ) {}

  @Get('/')
  get(): void {}
}

@Controller('/interface-first')
export class InterfacedFirst {
  constructor(
    readonly nothing: Nothing,
    readonly store: Store,
    @Inject(Tokens.Logger) readonly logger: Logger,
  ) {}

  @Get('/')
  get(): void {}
}

@Controller('/deep')
export class Deep {
  constructor(readonly injected: Injected) {}

  @Get('/')
  get(): void {}
}

@Controller('/holes')
export class Hole {
  @Get('/:id')
  one(@Param('id') _id: string, _other: string): void {}
}

@Controller('/both')
export class Unknown {
  @Get('/:id')
  one(@Param('name') _name: string): void {}
}
