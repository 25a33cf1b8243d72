/*
 * As much of Protocol Buffers (https://protobuf.dev/programming-guides/encoding) as the messages of etcd need: numbers, texts and messages,
 * single or repeated. A field that is not given has the default of its kind, one that nobody knows is skipped.
 */

/** How a field stands on the wire, by the type of its value. `latin1` holds any bytes, one a character: for keys, which may be no text. */
type Kind<V> = V extends number
  ? 'int'
  : V extends bigint
    ? 'int64'
    : V extends boolean
      ? 'bool'
      : V extends string
        ? 'utf8' | 'latin1'
        : V extends readonly (infer M)[]
          ? readonly [Message<M>]
          : V extends undefined
            ? never
            : Message<V>;

type AnyKind = 'int' | 'int64' | 'bool' | 'utf8' | 'latin1' | Message<unknown> | readonly [Message<unknown>];

/** The number and kind of each field of `T`. */
export type Fields<T> = { readonly [K in keyof T]-?: readonly [number: number, kind: Kind<T[K]>] };

/** What is written of a message: any of its fields, and any of those of the messages inside of it. */
export type Given<T> = T extends number | bigint | boolean | string | undefined
  ? T
  : T extends readonly (infer M)[]
    ? readonly Given<M>[]
    : { readonly [K in keyof T]?: Given<T[K]> };

/** A kind of message. Messages inside of it are undefined when they are not there. */
export interface Message<T> {
  encode(value: Given<T>): Buffer;
  /** @throws RangeError when the bytes are no such message. */
  decode(bytes: Buffer): T;
}

interface Field {
  readonly name: string;
  readonly number: number;
  readonly kind: AnyKind;
}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

export function message<T>(shape: Fields<T>): Message<T> {
  const fields: readonly Field[] = Object.entries<readonly [number, unknown]>(shape).map(([name, [number, kind]]) => ({
    name,
    number,
    kind: kind as AnyKind,
  }));
  const byNumber = new Map(fields.map((field) => [field.number, field]));
  return {
    encode(value) {
      const pieces: Uint8Array[] = [];
      for (const { name, number, kind } of fields) {
        const given = (value as Readonly<Record<string, unknown>>)[name];
        if (given === undefined) continue;
        if (Array.isArray(kind)) for (const one of given as readonly unknown[]) write(pieces, number, kind[0] as Message<unknown>, one);
        else write(pieces, number, kind as Exclude<AnyKind, readonly unknown[]>, given);
      }
      return Buffer.concat(pieces);
    },
    decode(bytes) {
      const value: Record<string, unknown> = {};
      for (const { name, kind } of fields) value[name] = empty(kind);
      const reader = new Reader(bytes);
      while (reader.more) {
        const tag = reader.int();
        const field = byNumber.get(tag >>> 3);
        if (field === undefined) reader.skip(tag & 7);
        else if (Array.isArray(field.kind)) (value[field.name] as unknown[]).push((field.kind[0] as Message<unknown>).decode(reader.bytes()));
        else value[field.name] = read(reader, field.kind as Exclude<AnyKind, readonly unknown[]>);
      }
      return value as T;
    },
  };
}

function empty(kind: AnyKind): unknown {
  if (Array.isArray(kind)) return [];
  return kind === 'int' ? 0 : kind === 'int64' ? 0n : kind === 'bool' ? false : typeof kind === 'string' ? '' : undefined;
}

function write(pieces: Uint8Array[], number: number, kind: Exclude<AnyKind, readonly unknown[]>, value: unknown): void {
  if (kind === 'int' || kind === 'int64' || kind === 'bool') {
    pieces.push(varint(number * 8 + VARINT), varint(BigInt(value as number | bigint | boolean)));
    return;
  }
  const bytes = typeof kind === 'string' ? Buffer.from(value as string, kind) : kind.encode(value as object);
  pieces.push(varint(number * 8 + BYTES), varint(bytes.length), bytes);
}

function read(reader: Reader, kind: Exclude<AnyKind, readonly unknown[]>): unknown {
  switch (kind) {
    case 'int':
      return reader.int();
    case 'int64':
      return reader.int64();
    case 'bool':
      return reader.int() !== 0;
    case 'utf8':
    case 'latin1':
      return reader.text(kind);
    default:
      return kind.decode(reader.bytes());
  }
}

/** Seven bits a byte, the lowest first; negative numbers as 64 bits of two's complement. */
function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get more(): boolean {
    return this.#at < this.#bytes.length;
  }

  /** Exact up to 2^53, which etcd's revisions and times do not reach. Negative ones, of 64 bits, come out as such. */
  int(): number {
    let value = 0;
    for (let factor = 1, shift = 0; shift < 70; shift += 7, factor *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value >= 2 ** 63 ? value - 2 ** 64 : value;
    }
    throw new RangeError('a number of more than ten bytes');
  }

  int64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw new RangeError('a number of more than ten bytes');
  }

  bytes(): Buffer {
    return this.#take(this.int());
  }

  text(encoding: BufferEncoding): string {
    const length = this.int();
    const from = this.#at;
    this.#take(length);
    return this.#bytes.toString(encoding, from, from + length);
  }

  skip(wire: number): void {
    if (wire === VARINT) this.int();
    else if (wire === BYTES) this.bytes();
    else if (wire === FIXED64) this.#take(8);
    else if (wire === FIXED32) this.#take(4);
    else throw new RangeError(`a field of the unknown wire type ${wire}`);
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new RangeError('the bytes end in the middle of a field');
    return byte;
  }

  #take(length: number): Buffer {
    const from = this.#at;
    if (!(length >= 0) || from + length > this.#bytes.length) throw new RangeError('the bytes end in the middle of a field');
    this.#at = from + length;
    return this.#bytes.subarray(from, this.#at);
  }
}
