import { inspect } from 'node:util';
import type { Logger } from '@ferrule/core';

/** Keeps what is logged, and tells when. */
export interface RecordingLogger extends Logger {
  readonly lines: readonly string[];
  /** Resolves when a line that holds `text` has been logged, since the last time it was asked for. */
  said(text: string): Promise<void>;
}

export function recordingLogger(): RecordingLogger {
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let seen = 0;
  const log = (fields: object, message: string): void => {
    lines.push(`${message} ${inspect(fields, { depth: 8, breakLength: Infinity })}`);
    for (const look of waiting) look();
  };
  return {
    lines,
    said: (text) =>
      new Promise((resolve) => {
        const look = (): void => {
          const at = lines.findIndex((line, index) => index >= seen && line.includes(text));
          if (at < 0) return;
          seen = at + 1;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    debug: log,
    info: log,
    warn: log,
    error: log,
  };
}
