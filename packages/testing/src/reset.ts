import type { Socket } from 'node:net';

/**
 * Resets a connection. One whose own side has been ended is only destroyed: Node (24.21, not 20) never gets rid of a handle that is reset
 * while it shuts down, and the process spins in its clean-up for ever.
 */
export function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
