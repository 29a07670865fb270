import type { Contract } from '../message/contract.ts';
import type { SendOptions, Sent } from '../pipeline/handler-context.ts';
import type { Verb } from '../pipeline/outgoing-pipeline.ts';

/**
 * Sends that wait until there is room on the way to the disk, in the order in which they were called.
 *
 * A program may call `send` a million times without awaiting one. A waiting send costs some 130 bytes and not the
 * kilobytes of a built message: what was handed in is kept in one flat array for many, and all sends that wait for the
 * same admission hang on its one promise, whose reactions run in order, so that no send needs a closure or a resolver of
 * its own.
 */
export class WaitingSends {
  readonly #admission: () => Promise<void> | undefined;
  readonly #send: SendNow;
  /** The newest; those before it are on their way out, and a newcomer goes behind them all. */
  #last: Chunk | undefined;

  constructor(admission: () => Promise<void> | undefined, send: SendNow) {
    this.#admission = admission;
    this.#send = send;
  }

  /** Sends now when there is room and nobody waits, else when it is its turn. */
  send(verb: Verb, type: Contract | string, body: unknown, options: SendOptions | undefined): Promise<Sent> {
    const gate = this.#admission();
    const last = this.#last;
    if (gate === undefined && (last === undefined || last.isEmpty)) {
      this.#last = undefined;
      return this.#send(verb, type, body, options);
    }
    const chunk =
      last?.takes(gate, verb, type) === true ? last : new Chunk(gate ?? last?.gate ?? OPEN, verb, type, this.#send);
    this.#last = chunk;
    if (options?.signal !== undefined) {
      return abortable(options.signal, (isDue) =>
        chunk.addTurn(() => isDue() && this.#send(verb, type, body, options)),
      );
    }
    return chunk.add(body, options);
  }
}

export type SendNow = (
  verb: Verb,
  type: Contract | string,
  body: unknown,
  options: SendOptions | undefined,
) => Promise<Sent>;

const OPEN = Promise.resolve();

/** Sends of one type that wait for one admission. */
class Chunk {
  readonly gate: Promise<void>;
  readonly verb: Verb;
  readonly type: Contract | string;
  readonly #sendNext: () => Promise<Sent>;
  /** Body and options of one send after the other. */
  readonly #fields: unknown[] = new Array(FIELDS_PREPARED);
  #fieldCount = 0;
  #next = 0;
  #waitingCount = 0;

  constructor(gate: Promise<void>, verb: Verb, type: Contract | string, send: SendNow) {
    this.gate = gate;
    this.verb = verb;
    this.type = type;
    // One function for the whole chunk: reactions of one promise run in the order in which they were added.
    this.#sendNext = () => {
      const body = this.#takeField();
      const options = this.#takeField() as SendOptions | undefined; // put there by `add`
      this.#waitingCount--;
      return send(verb, type, body, options);
    };
  }

  /** True for a send that belongs here: no gate means behind the newest. */
  takes(gate: Promise<void> | undefined, verb: Verb, type: Contract | string): boolean {
    return (gate === undefined || gate === this.gate) && verb === this.verb && type === this.type;
  }

  /** True when all were handed over. */
  get isEmpty(): boolean {
    return this.#waitingCount === 0;
  }

  add(body: unknown, options: SendOptions | undefined): Promise<Sent> {
    this.#waitingCount++;
    this.#fields[this.#fieldCount++] = body;
    this.#fields[this.#fieldCount++] = options;
    return this.gate.then(this.#sendNext);
  }

  /** For the few that bring a function of their own. */
  addTurn<Result>(action: () => Result): Promise<Awaited<Result>> {
    this.#waitingCount++;
    return this.gate.then(() => {
      this.#waitingCount--;
      return action();
    }) as Promise<Awaited<Result>>;
  }

  #takeField(): unknown {
    const field = this.#fields[this.#next];
    this.#fields[this.#next++] = undefined;
    return field;
  }
}

/** The store lets in some 256 together; a chunk that is larger grows. */
const FIELDS_PREPARED = 512;

/**
 * Rejects as soon as `signal` is aborted while the send waits. What was handed over is sent, so from its turn on the
 * signal changes nothing.
 */
function abortable(signal: AbortSignal, wait: (isDue: () => boolean) => Promise<Sent | false>): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    const isDue = (): boolean => {
      signal.removeEventListener('abort', giveUp);
      return !signal.aborted;
    };
    if (signal.aborted) giveUp();
    wait(isDue).then((sent) => (sent === false ? giveUp() : resolve(sent)), reject);
  });
}
