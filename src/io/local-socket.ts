import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { isSystemError } from './files.ts';
import { SocketEnd } from './socket-end.ts';

/** Waits for connections on the Unix socket at `path`; the file must not exist. Resolves when connections are taken. */
export function listenLocally(path: string, accept: (socket: LocalSocket) => void): Promise<LocalListener> {
  return new Promise((resolve, reject) => {
    const open = new Set<Socket>();
    const server: Server = createServer((socket) => {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      accept(localSocketOf(socket));
    });
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      // Running out of descriptors refuses one connection; the listener stays.
      server.on('error', () => undefined);
      server.unref();
      resolve({ close: () => closeServer(server, open) });
    });
  });
}

/** Connects to the Unix socket at `path`; rejects with the system's error, see `isNobodyThere`. */
export function connectLocally(path: string): Promise<LocalSocket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(localSocketOf(socket));
    });
  });
}

/** True for an error of `connectLocally` that says: nobody listens there, or whoever did died before it took the connection. */
export function isNobodyThere(error: unknown): boolean {
  return isSystemError(error, 'ENOENT', 'ECONNREFUSED', 'ECONNRESET');
}

export interface LocalListener {
  /** Takes no more connections, cuts the open ones, and removes the file. */
  close(): Promise<void>;
}

/** One end of a connection between two processes of this machine. */
export interface LocalSocket {
  /** Bytes written and not yet taken by the system. */
  readonly waitingBytes: number;
  write(bytes: Uint8Array): void;
  /** `onBytes` gets what arrives; `onClosed` runs once, after the last bytes, also when the other end died. */
  listen(handlers: SocketHandlers): void;
  /** Stops and resumes reading, so that the other end is slowed down. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
  /** Whether this connection keeps an otherwise idle process alive; it does at first. */
  keepProcessAlive(isKept: boolean): void;
}

export interface SocketHandlers {
  onBytes(bytes: Uint8Array): void;
  /** All that was written has been taken by the system. */
  onDrained?(): void;
  onClosed(): void;
}

class LocalEnd extends SocketEnd implements LocalSocket {
  listen(handlers: SocketHandlers): void {
    this.socket.on('data', (bytes) => handlers.onBytes(bytes));
    this.socket.on('drain', () => handlers.onDrained?.());
    this.socket.once('close', () => handlers.onClosed());
  }
}

function localSocketOf(socket: Socket): LocalSocket {
  // A broken connection shows as `close`; its cause says nothing that the other end's absence does not.
  socket.on('error', () => undefined);
  return new LocalEnd(socket);
}

function closeServer(server: Server, open: ReadonlySet<Socket>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const socket of open) socket.destroy();
  });
}
