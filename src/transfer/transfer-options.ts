import type { Io } from '../io/io.ts';
import type { Logger } from '../io/logger.ts';
import type { Names, Network } from '../io/network.ts';
import type { TransferDoor } from '../queues/transfer-door.ts';
import type { NetworkSettings, TlsSource } from './network-settings.ts';

/** Everything that the transfer of one queue manager is made of. */
export interface TransferOptions {
  readonly door: TransferDoor;
  readonly io: Io;
  readonly network: Network;
  readonly names: Names;
  readonly settings: NetworkSettings;
  readonly tls: TlsSource | undefined;
  readonly logger: Logger;
}
