// No Node has `Symbol.metadata` yet, and a compiler that finds none gives decorators a context without metadata. This is the one import
// with an effect on the process (which is why package.json does not claim to be free of any); it stands before any decorated class can be evaluated.
if (Symbol.metadata === undefined) Object.defineProperty(Symbol, 'metadata', { value: Symbol.for('Symbol.metadata') });
export const METADATA: symbol = Symbol.metadata;
