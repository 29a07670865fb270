import type { Reason } from './reasons.ts';

/** What an operator sees of one outgoing queue (guarantees-and-faults.md 5.6). Plain data; times are Unix time or ages in ms. */
export interface OutgoingStatus {
  /** `billing@beta`. */
  readonly queue: string;
  readonly machine: string;
  readonly state: OutgoingState;
  /** Why it is in a state other than CONNECTED, RESOLVING and CONNECTING. */
  readonly reason: Reason | undefined;
  /** A sentence with names and addresses: what is, or what stands in the way. */
  readonly text: string;
  /** The name that is dialled and its port, and the address that was used or tried last. */
  readonly nextHop: { readonly name: string; readonly address: string | undefined; readonly port: number };
  readonly messages: number;
  readonly bytes: number;
  readonly delayed: number;
  /** Sent, and not known to have arrived (`OUTCOME_UNKNOWN` while no link is up). */
  readonly unacknowledged: number;
  readonly oldestAgeMs: number | undefined;
  /** Messages acknowledged since this process started. */
  readonly acknowledged: number;
  readonly lastAcknowledgedAgoMs: number | undefined;
  readonly epoch: string | undefined;
  /** In ms from now; undefined when none is planned. */
  readonly nextAttemptInMs: number | undefined;
  /** Number of the next attempt since the last success. */
  readonly attempt: number;
  /** Latest first, at most 20. */
  readonly attempts: readonly AttemptRecord[];
  /** Attempts since the process started, by outcome. */
  readonly attemptCounts: Readonly<Partial<Record<Reason | 'CONNECTED', number>>>;
}

/** The value in MSMQ's words stands in docs/troubleshooting.md. */
export type OutgoingState =
  | 'CONNECTED'
  /** Nothing to send, and no link. */
  | 'IDLE'
  | 'RESOLVING'
  | 'CONNECTING'
  /** It failed; the next attempt has a time. */
  | 'WAITING'
  /** Somebody answered and it will not do; attempts go on, slowly. */
  | 'REFUSED'
  | 'PAUSED_BY_PEER'
  | 'ON_HOLD'
  | 'SHUTTING_DOWN';

export interface AttemptRecord {
  readonly atMs: number;
  readonly name: string;
  readonly address: string | undefined;
  readonly port: number;
  readonly outcome: Reason | 'CONNECTED';
  readonly text: string;
}
