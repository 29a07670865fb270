/**
 * One connection to a database server, as pools and spare connections hold it. A resource manager's own class implements it
 * around the driver's client.
 *
 * `close` and `destroy` may be called at any time and more than once. `isUsable` turns false once and for ever when the
 * connection broke, was closed or destroyed; after that `onGone` listeners have been called, each once.
 */
export interface PoolConnection {
  readonly isUsable: boolean;
  onGone(listener: () => void): void;
  /** While unreferenced, the connection does not keep the process alive. */
  ref(): void;
  unref(): void;
  /** Says goodbye to the server, with a deadline; never rejects. */
  close(): Promise<void>;
  /** Cuts the connection at once. What still runs on it fails. */
  destroy(): void;
}
