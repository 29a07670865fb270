import type { Clock, Timers } from '../../io/io.ts';
import type { Names } from '../../io/network.ts';
import type { Link } from '../links/link.ts';
import type { NetworkSettings } from '../network-settings.ts';

/** What looking at the way to another machine needs. */
export interface PingDoors {
  /** This machine. */
  readonly machine: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly names: Names;
  readonly settings: NetworkSettings;
  /** This machine has keys, so its connections are encrypted. */
  readonly usesTls: boolean;
  /**
   * Connects to one address and says HELLO with the purpose `probe`: the link, when the machine that is wanted stands there.
   * Rejects with a value that has a `reason` (`Reason`) and a `text`, and leaves no connection then.
   */
  openLink(target: ProbeTarget): Promise<Link>;
}

export interface ProbeTarget {
  readonly machine: string;
  readonly address: string;
  readonly port: number;
  /** For the connection with TLS; the handshake of the link comes on top. */
  readonly connectTimeoutMs: number;
  /** Gives up when aborted. */
  readonly signal: AbortSignal;
}
