import type { Io } from '../../io/io.ts';
import type { Logger } from '../../io/logger.ts';
import type { OutgoingQueue, TransferDoor } from '../../queues/transfer-door.ts';
import type { StreamEvent } from './stream.ts';

/** What the sender's end of a stream is made of. */
export interface OutgoingStreamOptions {
  readonly queue: OutgoingQueue;
  readonly door: TransferDoor;
  readonly io: Io;
  readonly logger: Logger;
  /** Told of what reconciliation found; the log has it too. */
  readonly onEvent?: ((event: StreamEvent) => void) | undefined;
  /** When the receiver's store is another one: begin anew by itself (default), or wait for an operator's release. */
  readonly onReplacedStore?: 'resend' | 'hold' | undefined;
}
