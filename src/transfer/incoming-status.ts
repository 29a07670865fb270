/** What an operator sees of the receiving side (`posthorn incoming`). Plain data. */
export interface IncomingStatus {
  readonly machine: string;
  readonly listeners: readonly ListenerStatus[];
  readonly links: readonly InboundLink[];
  /** Latest first, at most 50. */
  readonly refusals: readonly RefusedConnection[];
  readonly refusedCount: number;
}

export interface ListenerStatus {
  /** As asked for; `::` means every interface. */
  readonly address: string;
  readonly port: number;
  readonly state: 'LISTENING' | 'LISTENER_REBINDING' | 'LISTENER_DEAF' | 'NAME_POINTS_ELSEWHERE';
  /** Why it is not listening, or what the look at itself found. */
  readonly text: string;
  /** Addresses of this machine that it answers on now. */
  readonly reachableAt: readonly string[];
  readonly sinceMs: number | undefined;
  readonly isEncrypted: boolean;
}

export interface InboundLink {
  readonly machine: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly isEncrypted: boolean;
  readonly sinceMs: number;
  readonly heardAgoMs: number;
  readonly streams: readonly { readonly queue: string; readonly last: number; readonly received: number }[];
}

export interface RefusedConnection {
  readonly atMs: number;
  readonly remoteAddress: string;
  /** As it said itself; undefined when it did not come to that. */
  readonly claimedMachine: string | undefined;
  /** A `RefusalCode`, or a `NetworkFailureCode` of TLS. */
  readonly code: string;
  readonly text: string;
}
