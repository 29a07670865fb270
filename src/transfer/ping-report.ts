import type { Reason } from './reasons.ts';

/** What `posthorn ping` found: the way there as seen from here, and the way back as the other side sees it. Plain data. */
export interface PingReport {
  readonly there: PingDirection;
  /** Undefined: nobody over there could be asked; `backText` says why. */
  readonly back: PingDirection | undefined;
  readonly backText: string | undefined;
}

export interface PingDirection {
  readonly from: string;
  readonly to: string;
  /** The name that was looked up, and the port. */
  readonly name: string;
  readonly port: number;
  /** In the order taken; of one address, the first that is not `ok` explains the others. */
  readonly steps: readonly PingStep[];
  readonly isReached: boolean;
}

export interface PingStep {
  readonly step: 'name' | 'connect' | 'tls' | 'identity' | 'version' | 'clock' | 'roundTrip';
  /** Of the steps that are taken for each address. */
  readonly address: string | undefined;
  readonly result: 'ok' | 'failed' | 'warning' | 'skipped';
  readonly text: string;
  readonly reason: Reason | undefined;
  /** What to do about it; on what failed only. */
  readonly mend: string | undefined;
  readonly tookMs: number | undefined;
}
