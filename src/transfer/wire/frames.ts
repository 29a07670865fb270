/**
 * What goes over a link: protocol version 1 (docs/decisions/0002-wire.md).
 *
 * One connection carries data one way: the dialer sends messages, the acceptor acknowledges them.
 *
 *     dialer                                   acceptor
 *     HELLO {whom I want, who I am}  ────────▶
 *              ◀──────── WELCOME {who I am}    or REFUSED {code, text}, and it closes
 *     ATTACH {channel, queue, epoch, acked} ─▶
 *              ◀──────── ATTACHED {last}       or DETACHED {code, retryAfterMs}
 *     DATA {channel, messages…} ─────────────▶ enqueued, synced, then
 *              ◀──────── ACKED {channel, seq, refused}
 *     PING ──▶ ◀── PONG                        either way, any time after WELCOME
 *     CLOSING {code}                           the sender of it sends nothing more
 *
 * On the wire a frame is `length u32 (bytes that follow) | type u8 | payload`, big endian. The payload is JSON in UTF-8,
 * except DATA: `channel u32 | first sequence u48 | acked u48 | count u16 | entries | crc32 u32 of all before it in the
 * payload`, each entry `flags u8 | priority u8 | header bytes u32 | body bytes u32 | time to be received in ms, f64, if
 * flagged | headers | body`. Headers and body are the stored bytes; nobody between the two stores parses them.
 */
export type Frame =
  | Hello
  | Welcome
  | Refused
  | Attach
  | Attached
  | Detached
  | Data
  | Acked
  | Ping
  | Pong
  | Closing
  | PingBack
  | PingBackResult;

export const PROTOCOL_VERSION = 1;

export interface Hello {
  readonly type: 'hello';
  /** Versions that the dialer speaks. */
  readonly protocolMin: number;
  readonly protocolMax: number;
  /** `probe`: looks who answers, and sends nothing (`posthorn ping`, the listener's look at itself). */
  readonly purpose: 'transfer' | 'probe';
  /** The machine that the dialer wants; anybody else answers REFUSED with WRONG_HOST. */
  readonly wanted: string;
  readonly identity: Identity;
}

export interface Welcome {
  readonly type: 'welcome';
  readonly protocol: number;
  readonly identity: Identity;
}

/** Who stands at one end. */
export interface Identity {
  readonly machine: string;
  /** Of the data directory: another one under the same machine name is another incarnation. */
  readonly storeId: string;
  /** Of the process; random, new at each start. */
  readonly instanceId: string;
  /** Of Posthorn, for operators. */
  readonly version: string;
  /** Unix time there, for the clock difference that `ping` shows. */
  readonly wallMs: number;
  /** Largest body that this end takes. */
  readonly bodyBytesMax: number;
}

export interface Refused {
  readonly type: 'refused';
  readonly code: RefusalCode;
  /** A sentence with the names and addresses, as the refusing side words it. */
  readonly text: string;
  /** Who refuses; undefined when that side does not know who asks. */
  readonly machine: string | undefined;
}

export type RefusalCode =
  | 'WRONG_HOST'
  /** The certificate is not of the machine that the HELLO claims. */
  | 'WRONG_CERTIFICATE'
  | 'VERSION'
  /** Two living processes use the same store: a copied directory. */
  | 'DUPLICATE_STORE'
  | 'TOO_MANY_CONNECTIONS'
  | 'MALFORMED'
  | 'HANDSHAKE_TIMEOUT'
  | 'SHUTTING_DOWN';

export interface Attach {
  readonly type: 'attach';
  /** Number that the dialer gives to the stream on this link; each once. */
  readonly channel: number;
  readonly queue: string;
  /** Random, new whenever the numbering begins anew. */
  readonly epoch: string;
  /** Highest sequence that the sender knows to be durable at the receiver, and the digest there. */
  readonly acked: number;
  readonly ackedDigest: string;
  /** Epochs of this stream that the sender gave up; the receiver may forget them after their time. */
  readonly formerEpochs: readonly string[];
}

export interface Attached {
  readonly type: 'attached';
  readonly channel: number;
  /** Undefined: this stream and epoch are not known here, the next message must be the first of the epoch. */
  readonly last: number | undefined;
  /** At `last`. Undefined beside a `last`: the receiver has proof that the sender's store went back; a new epoch is due. */
  readonly digest: string | undefined;
  /** Of the sequences in (acked, last], those that were refused for good. */
  readonly refused: readonly RefusedMessage[];
  /** Messages and bytes that may be on the way unacknowledged. */
  readonly windowMessages: number;
  readonly windowBytes: number;
}

/** The receiver takes no more on this channel; what was not acknowledged is settled by the next ATTACH. */
export interface Detached {
  readonly type: 'detached';
  readonly channel: number;
  readonly code: DetachCode;
  readonly text: string;
  /** The sender attaches again after this time. */
  readonly retryAfterMs: number;
}

export type DetachCode =
  | 'QUEUE_FULL'
  | 'STORE_FULL'
  | 'BUSY'
  /** The queue does not exist, and this machine has only just started: its endpoints may still make it. */
  | 'QUEUE_NOT_YET_THERE'
  /** A sequence that is not the next one, or one of an attachment that is over. */
  | 'OUT_OF_SEQUENCE'
  /** Another link of the same store attached this stream. */
  | 'TAKEN_OVER'
  | 'STORE_RECOVERING';

export interface Data {
  readonly type: 'data';
  readonly channel: number;
  /** Sequence of the first message; the others follow without a gap. */
  readonly firstSeq: number;
  /** Highest sequence whose acknowledgement the sender has made durable: refusals up to it may be forgotten. */
  readonly acked: number;
  readonly messages: readonly DataMessage[];
}

export interface DataMessage {
  readonly headers: Uint8Array;
  readonly body: Uint8Array;
  readonly priority: number;
  /** What is left of it now; undefined: unlimited. */
  readonly timeToBeReceivedMs: number | undefined;
  /** It was sent before to a store that is gone, and may have arrived there. */
  readonly isPossibleDuplicate: boolean;
}

/** Everything up to `seq` is durable at the receiver: enqueued, or refused for good. */
export interface Acked {
  readonly type: 'acked';
  readonly channel: number;
  readonly seq: number;
  /** Of the sequences since the last ACKED, those refused for good. */
  readonly refused: readonly RefusedMessage[];
}

export interface RefusedMessage {
  readonly seq: number;
  readonly code: MessageRefusalCode;
  readonly text: string;
}

/** Why a single message is refused for good; the value of `Posthorn.DeadLetterReason` at the sender (MSMQ's classes). */
export type MessageRefusalCode =
  | 'NACK_BAD_DST_Q'
  | 'NACK_ACCESS_DENIED'
  | 'NACK_TOO_LARGE'
  | 'NACK_BAD_HEADERS'
  | 'NACK_RECEIVE_TIMEOUT_AT_SENDER';

export interface Ping {
  readonly type: 'ping';
  readonly id: number;
}

export interface Pong {
  readonly type: 'pong';
  readonly id: number;
  /** Unix time there. */
  readonly wallMs: number;
}

export interface Closing {
  readonly type: 'closing';
  readonly code: 'IDLE' | 'SHUTTING_DOWN' | 'REPLACED' | 'DONE' | 'MALFORMED';
  readonly text: string;
}

/** Asks the other side to look back at this machine, by its name (`posthorn ping`). */
export interface PingBack {
  readonly type: 'pingBack';
  readonly id: number;
  /** The port that this machine says it listens on; the other side uses its own settings first. */
  readonly port: number | undefined;
}

/** The report is plain data of `transfer/ping-report.ts`. */
export interface PingBackResult {
  readonly type: 'pingBackResult';
  readonly id: number;
  readonly report: unknown;
}
