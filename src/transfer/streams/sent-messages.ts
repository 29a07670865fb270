import { type Digest, formatDigest, nextDigest, parseDigest } from './digest.ts';

/**
 * The messages of one epoch that were sent and are not known to have arrived, in order. Positions, sizes and digests
 * only: their bytes stay in the store.
 *
 * Sequence numbers follow from the order: the first of them is `ackedSeq + 1`.
 */
export class SentMessages {
  #messages: SentMessage[] = [];
  #ackedSeq = 0;
  #ackedDigest: Digest = { upper: 0, lower: 0 };

  /** Begins at a sequence that was acknowledged; nothing is sent after it. */
  beginAt(ackedSeq: number, ackedDigest: string): void {
    this.#messages = [];
    this.#ackedSeq = ackedSeq;
    this.#ackedDigest = parseDigest(ackedDigest) ?? { upper: 0, lower: 0 };
  }

  get count(): number {
    return this.#messages.length;
  }

  get lastSeq(): number {
    return this.#ackedSeq + this.#messages.length;
  }

  /** Undefined when nothing is sent that was not acknowledged. */
  get lastPosition(): number | undefined {
    return this.#messages.at(-1)?.position;
  }

  add(position: number, headers: Uint8Array, bodyBytes: number): void {
    const digest = nextDigest(this.#messages.at(-1)?.digest ?? this.#ackedDigest, headers, bodyBytes);
    this.#messages.push({ position, byteCount: headers.byteLength + bodyBytes, digest });
  }

  /** From the acknowledged sequence to the last one sent; undefined elsewhere. */
  digestAt(seq: number): string | undefined {
    if (seq === this.#ackedSeq) return formatDigest(this.#ackedDigest);
    const message = this.#messages[seq - this.#ackedSeq - 1];
    return message === undefined ? undefined : formatDigest(message.digest);
  }

  at(seq: number): SentMessage | undefined {
    return this.#messages[seq - this.#ackedSeq - 1];
  }

  upTo(seq: number): readonly SentMessage[] {
    return this.#messages.slice(0, seq - this.#ackedSeq);
  }

  /** Those up to `seq` have been acknowledged and are gone. */
  acknowledge(seq: number): void {
    const gone = this.#messages.splice(0, seq - this.#ackedSeq);
    this.#ackedDigest = gone.at(-1)?.digest ?? this.#ackedDigest;
    this.#ackedSeq += gone.length;
  }

  /** Takes all of them out: they will be sent again. */
  takeBack(): readonly SentMessage[] {
    return this.#messages.splice(0);
  }
}

export interface SentMessage {
  readonly position: number;
  /** Headers and body. */
  readonly byteCount: number;
  readonly digest: Digest;
}
