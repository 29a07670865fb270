import type { Socket } from 'node:net';

/** What the ends of local and network connections share: writing, slowing down, closing. */
export class SocketEnd {
  protected readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  get waitingBytes(): number {
    return this.socket.writableLength;
  }

  write(bytes: Uint8Array): void {
    if (this.socket.writable) this.socket.write(bytes);
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  keepProcessAlive(isKept: boolean): void {
    if (isKept) this.socket.ref();
    else this.socket.unref();
  }
}
