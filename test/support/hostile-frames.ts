import { crc32 } from 'node:zlib';
import { SimulatedRandom } from '../../src/testing/simulated-random.ts';
import { encodeFrame } from '../../src/transfer/wire/encode-frame.ts';
import type { DataMessage, Frame, Hello } from '../../src/transfer/wire/frames.ts';

/** Valid, from whoever wants beta. */
export function helloOf(machine: string, storeId: string, instanceId: string): Hello {
  const identity = {
    machine,
    storeId,
    instanceId,
    version: '0.1.0',
    wallMs: 1_900_000_000_000,
    bodyBytesMax: 4_194_304,
  };
  return { type: 'hello', protocolMin: 1, protocolMax: 1, purpose: 'transfer', wanted: 'beta', identity };
}

/**
 * What a stranger sends who knows the protocol: valid frames in any order and with any values, and some whose bytes were
 * harmed: others, cut off, too long, of another type, with a checksum that does not fit. The same seed, the same frames.
 */
export class HostileFrames {
  readonly #random: SimulatedRandom;
  #seq = 0;

  constructor(seed: number) {
    this.#random = new SimulatedRandom(seed);
  }

  chance(share: number): boolean {
    return this.#random.fraction() < share;
  }

  next(): Uint8Array {
    const bytes = Buffer.from(encodeFrame(this.#frame()));
    return this.chance(0.92) ? bytes : this.#harmed(bytes);
  }

  /** A DATA frame as large as beta takes it. */
  largestData(): Uint8Array {
    const message = { ...this.#message(), body: Buffer.alloc(4_194_304) };
    return encodeFrame({ type: 'data', channel: 1, firstSeq: 1, acked: 0, messages: [message] });
  }

  #frame(): Frame {
    const pick = this.#random.integer(20);
    const channel = this.chance(0.9) ? 1 : this.#random.integer(this.chance(0.1) ? 2 ** 32 : 4);
    if (pick < 5) {
      this.#seq = 0;
      return {
        type: 'attach',
        channel,
        queue: this.#queue(),
        epoch: this.#id(),
        acked: 0,
        ackedDigest: this.#digest(),
        formerEpochs: Array.from({ length: this.#random.integer(this.chance(0.1) ? 40 : 3) }, () => this.#id()),
      };
    }
    if (pick < 16) {
      const firstSeq = this.chance(0.9) ? this.#seq + 1 : this.#random.integer(2 ** 31);
      const messages = Array.from({ length: 1 + this.#random.integer(3) }, () => this.#message());
      this.#seq += messages.length;
      return {
        type: 'data',
        channel,
        firstSeq,
        acked: this.chance(0.97) ? 0 : this.#random.integer(2 ** 31),
        messages,
      };
    }
    if (pick < 18) return { type: 'ping', id: this.#random.integer(2 ** 31) };
    if (this.chance(0.5))
      return { type: 'pong', id: this.#random.integer(2 ** 31), wallMs: this.#random.integer(2 ** 31) };
    if (this.chance(0.5)) return helloOf(this.#text(), this.#text(), this.#text());
    return this.chance(0.7)
      ? { type: 'acked', channel, seq: this.#random.integer(2 ** 31), refused: [] }
      : { type: 'closing', code: 'DONE', text: this.#text() };
  }

  #message(): DataMessage {
    const headers = this.chance(0.8) ? `{"NServiceBus.MessageId":"${this.#text()}"}` : this.#text();
    return {
      headers: Buffer.from(headers),
      body: Buffer.alloc(this.#random.integer(200), 1),
      priority: this.#random.integer(this.chance(0.03) ? 256 : 8),
      timeToBeReceivedMs: this.chance(0.03)
        ? [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 50][this.#random.integer(5)]
        : undefined,
      isPossibleDuplicate: this.chance(0.2),
    };
  }

  #queue(): string {
    return this.chance(0.85) ? 'in' : this.#text();
  }

  #digest(): string {
    return this.chance(0.95) ? '0'.repeat(16) : this.#text();
  }

  #id(): string {
    return this.chance(0.95) ? this.#random.uuid() : this.#text();
  }

  #text(): string {
    return HOSTILE_TEXTS[this.#random.integer(HOSTILE_TEXTS.length)] ?? this.#random.uuid();
  }

  #harmed(bytes: Buffer): Uint8Array {
    const random = this.#random;
    switch (random.integer(6)) {
      case 0:
        bytes[random.integer(bytes.byteLength)] = random.integer(256);
        return bytes;
      case 1:
        return bytes.subarray(0, 1 + random.integer(bytes.byteLength));
      case 2:
        bytes.writeUInt32BE(random.integer(2 ** 32));
        return bytes;
      case 3:
        bytes[4] = random.integer(20);
        return bytes;
      case 4:
        bytes.writeUInt32BE(crc32(bytes.subarray(0, 3)), bytes.byteLength - 4);
        return bytes;
      default:
        return Uint8Array.from({ length: 1 + random.integer(300) }, () => random.integer(256));
    }
  }
}

const HOSTILE_TEXTS: readonly (string | undefined)[] = [
  undefined,
  undefined,
  undefined,
  'dead-letter',
  'in@beta',
  'in@gamma',
  '../../etc',
  '',
  '__proto__',
  '\u0000',
  'ü'.repeat(300),
  'x'.repeat(3000),
  '/'.repeat(50),
];
