import type { Io } from '../../io/io.ts';
import type { Logger } from '../../io/logger.ts';
import type { Names, Network } from '../../io/network.ts';
import type { Link } from '../links/link.ts';
import type { NetworkSettings, TlsSource } from '../network-settings.ts';
import type { DialTurns } from './dial-turns.ts';

/** What all peers of one queue manager share. */
export interface PeerOptions {
  readonly io: Io;
  readonly network: Network;
  readonly names: Names;
  readonly settings: NetworkSettings;
  readonly tls: TlsSource | undefined;
  readonly logger: Logger;
  readonly turns: DialTurns;
  readonly open: OpenLink;
  /** Something that the end must wait for. */
  track(work: Promise<unknown>): void;
}

/** Dials one address; rejects with a `LinkFailure`, also when `signal` gives up. */
export type OpenLink = (target: DialTarget) => Promise<Link>;

export interface DialTarget {
  /** Whoever answers must be this machine. */
  readonly machine: string;
  /** What was looked up, for words. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly signal: AbortSignal;
}
