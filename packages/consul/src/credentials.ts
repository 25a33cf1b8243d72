import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

export interface CredentialsOptions {
  /** ACL token. */
  readonly token?: string | undefined;
  /** Where the token stands; wins over `token`, as in Consul's own tools, since it may be rotated. */
  readonly tokenFile?: string | undefined;
  /** `user:password` for a proxy in front of the agent. */
  readonly auth?: string | undefined;
}

/** Who we are to the agent. In private fields, which neither `inspect` nor JSON shows. */
export class Credentials {
  readonly #file: string | undefined;
  readonly #auth: string | undefined;
  #token: string | undefined;
  #turn = 0;

  /** @throws what reading the file throws; Error when there is no token in it, or one that no header takes. */
  constructor({ token, tokenFile, auth }: CredentialsOptions) {
    this.#file = tokenFile;
    this.#auth = auth;
    this.#token = tokenFile === undefined ? token : tokenIn(readFileSync(tokenFile, 'utf8'));
  }

  headers(): Record<string, string> {
    return {
      ...(this.#token !== undefined && { 'x-consul-token': this.#token }),
      ...(this.#auth !== undefined && { authorization: `Basic ${base64(this.#auth)}` }),
    };
  }

  /** Moves with each new token. */
  get turn(): number {
    return this.#turn;
  }

  /**
   * For an agent that refuses the token of a turn: reads the file again. Whether there is another one now; a file that cannot be read
   * changes nothing.
   */
  async renew(turn: number): Promise<boolean> {
    if (this.#file === undefined || turn !== this.#turn) return turn !== this.#turn;
    try {
      const token = tokenIn(await readFile(this.#file, 'utf8'));
      if (token !== this.#token) this.#turn++;
      this.#token = token;
    } catch {
      // It is just being written.
    }
    return turn !== this.#turn;
  }

  /** The text without our secrets, wherever somebody has put them. */
  redact(text: string): string {
    let words = text;
    for (const secret of [this.#token, this.#auth && base64(this.#auth), this.#auth, this.#auth?.replace(/^[^:]*:/, '')])
      if (secret !== undefined && secret !== '') words = words.replaceAll(secret, '[redacted]');
    return words;
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** Whether a header takes it. */
export function isToken(token: string): boolean {
  return /^[\x21-\x7e]+$/.test(token);
}

function tokenIn(text: string): string {
  const token = text.trim();
  if (!isToken(token)) throw new Error(token === '' ? 'it is empty' : 'it holds more than one token');
  return token;
}
