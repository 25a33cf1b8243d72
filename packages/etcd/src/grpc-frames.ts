/** One message as gRPC sends it: a zero (not compressed), its length in four bytes, itself. */
export function framed(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, PREFIX);
  return frame;
}

const PREFIX = 5;

/** Puts the messages of one direction of a stream together again, however the bytes were cut. */
export class FrameReader {
  readonly #mostBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** The messages that are whole now. @throws RangeError for a compressed one, which nobody asked for, and one of more than `mostBytes`. */
  push(chunk: Buffer): readonly Buffer[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const messages: Buffer[] = [];
    while (this.#bytes >= PREFIX) {
      const length = this.#length();
      if (this.#bytes < PREFIX + length) break;
      const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#bytes);
      messages.push(all.subarray(PREFIX, PREFIX + length));
      const rest = all.subarray(PREFIX + length);
      this.#chunks = rest.length === 0 ? [] : [rest];
      this.#bytes = rest.length;
    }
    return messages;
  }

  #length(): number {
    if (this.#chunks[0]!.length < PREFIX) this.#chunks = [Buffer.concat(this.#chunks, this.#bytes)];
    const head = this.#chunks[0]!;
    if (head[0] !== 0) throw new RangeError('a compressed message, or none of gRPC');
    const length = head.readUInt32BE(1);
    if (length > this.#mostBytes) throw new RangeError(`a message of ${length} bytes, more than ${this.#mostBytes}`);
    return length;
  }
}
