import type { Contract } from '../message/contract.ts';
import type { SendOptions, Sent } from '../pipeline/handler-context.ts';
import type { Verb } from '../pipeline/outgoing-pipeline.ts';

/**
 * Sends that wait until there is room on the way to the disk, in the order in which they were called.
 *
 * A program may call `send` a million times without awaiting one. A waiting send costs some 130 bytes and not the
 * kilobytes of a built message: what was handed in is kept in one flat array for many, and a whole chunk of sends hangs
 * on one promise whose reactions run in order, so that no send needs a closure or a resolver of its own.
 */
export class WaitingSends {
  readonly #admission: () => Promise<void> | undefined;
  readonly #send: SendNow;
  /** The first one is next to be let through. */
  readonly #chunks: Chunk[] = [];
  #isLettingThrough = false;

  constructor(admission: () => Promise<void> | undefined, send: SendNow) {
    this.#admission = admission;
    this.#send = send;
  }

  /** Sends now when there is room and nobody waits, else when it is its turn. */
  send(verb: Verb, type: Contract | string, body: unknown, options: SendOptions | undefined): Promise<Sent> {
    if (this.#chunks.length === 0 && this.#admission() === undefined) return this.#send(verb, type, body, options);
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.isFull) {
      chunk = new Chunk(this.#send);
      this.#chunks.push(chunk);
    }
    const sent = chunk.add(verb, type, body, options);
    if (!this.#isLettingThrough) void this.#letThrough();
    return options?.signal === undefined ? sent : abortable(sent, chunk, options.signal);
  }

  async #letThrough(): Promise<void> {
    this.#isLettingThrough = true;
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      await this.#admission();
      await chunk.letThrough();
      this.#chunks.shift();
    }
    this.#isLettingThrough = false;
  }
}

export type SendNow = (
  verb: Verb,
  type: Contract | string,
  body: unknown,
  options: SendOptions | undefined,
) => Promise<Sent>;

const CHUNK_SENDS = 256;
const FIELDS = 4;

/** Sends that are let through together. */
class Chunk {
  readonly #gate = Promise.withResolvers<void>();
  readonly #sendNext: () => Promise<Sent>;
  /** Verb, type, body and options of one send after the other. */
  readonly #fields: unknown[] = [];
  #isOpen = false;
  #position = 0;

  constructor(send: SendNow) {
    // One function for the whole chunk: reactions of one promise run in the order in which they were added.
    this.#sendNext = () => {
      const fields = this.#fields.slice(this.#position, this.#position + FIELDS);
      this.#fields.fill(undefined, this.#position, this.#position + FIELDS);
      this.#position += FIELDS;
      return send(...(fields as Parameters<SendNow>)); // put there by `add`, one send for each reaction
    };
  }

  get isFull(): boolean {
    return this.#isOpen || this.#fields.length >= CHUNK_SENDS * FIELDS;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  add(verb: Verb, type: Contract | string, body: unknown, options: SendOptions | undefined): Promise<Sent> {
    this.#fields.push(verb, type, body, options);
    return this.#gate.promise.then(this.#sendNext);
  }

  /** Resolves when all have been handed over; not when they are sent. */
  letThrough(): Promise<void> {
    this.#isOpen = true;
    this.#gate.resolve();
    return this.#gate.promise;
  }
}

/** Gives up while it waits. What was handed over is sent, so then the signal changes nothing. */
function abortable(sent: Promise<Sent>, chunk: Chunk, signal: AbortSignal): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      if (!chunk.isOpen) reject(signal.reason);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    sent.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}
