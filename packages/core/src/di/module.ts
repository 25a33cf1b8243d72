/** Where a module puts its parts. */
export interface Binder {
  /** Binds a token of `Tokens`, or one of the package's own, to what `make` gives; it is asked once, when the part is first needed. */
  bind(token: symbol, make: () => unknown): void;
}

/** Parts that a package brings, as a plain value: a package exports one without loading a container. `load` of `@ferrule/core/di` takes it. */
export interface Module {
  readonly name: string;
  load(binder: Binder): void;
}
