import type { World } from './world.ts';

/**
 * Every message that the workload handed in, and what the workload heard of it. A send whose answer was lost with its
 * process may or may not have happened, forever (Jepsen's rule): `maybe`.
 */
export class Ledger {
  readonly #world: World;
  readonly #messages: SentMessage[] = [];
  /** Machines whose store was lost, replaced, restored or copied: what these held may be lost, and repeated if marked. */
  readonly #incidents = new Set<string>();
  /** Of these, the ones whose store went back to a backup, and those of which two are alive. */
  readonly #rolledBack = new Set<string>();
  readonly #copied = new Set<string>();
  readonly #arrivedCounts = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  get messages(): readonly SentMessage[] {
    return this.#messages;
  }

  add(message: Omit<SentMessage, 'id' | 'outcome' | 'everArrived' | 'isBeingPurged' | 'end'>): SentMessage {
    const added: SentMessage = {
      ...message,
      id: this.#messages.length,
      outcome: 'maybe',
      everArrived: 0,
      isBeingPurged: false,
      end: undefined,
    };
    this.#messages.push(added);
    return added;
  }

  get(id: number): SentMessage | undefined {
    return this.#messages[id];
  }

  /** The message has become durable at its destination. */
  arrived(message: SentMessage): void {
    if (message.everArrived++ > 0) return;
    const way = `${message.from} ${message.to}`;
    this.#arrivedCounts.set(way, this.arrivedCount(message.from, message.to) + 1);
  }

  /** Different messages that have arrived. */
  arrivedCount(from: string, to: string): number {
    return this.#arrivedCounts.get(`${from} ${to}`) ?? 0;
  }

  incident(machine: string, what: 'lost' | 'rolled back' | 'copied'): void {
    this.#incidents.add(machine);
    if (what === 'rolled back') this.#rolledBack.add(machine);
    if (what === 'copied') this.#copied.add(machine);
    this.#world.note(`incident: the store of ${machine} is ${what}`);
  }

  wasCopied(machine: string): boolean {
    return this.#copied.has(machine);
  }

  wentBack(machine: string): boolean {
    return this.#rolledBack.has(machine);
  }

  /** True when what happened to one of its stores excuses marked repetitions, and loss. */
  isExcused(message: SentMessage): boolean {
    return this.#incidents.has(message.from) || this.#incidents.has(message.to);
  }

  hadIncident(machine: string): boolean {
    return this.#incidents.has(machine);
  }
}

export interface SentMessage {
  readonly id: number;
  readonly from: string;
  readonly queue: string;
  readonly to: string;
  readonly priority: number;
  readonly delayMs: number | undefined;
  /** It may end in a dead-letter queue by its time, by its size, or because nobody has its queue. */
  readonly mayBeRefused: boolean;
  /** Its sender asked to be told what becomes of it. */
  readonly isAcknowledged: boolean;
  outcome: 'ok' | 'failed' | 'maybe';
  /** Durable arrivals at a destination, in all lives of its store. */
  everArrived: number;
  /** An operator has begun to. */
  isBeingPurged: boolean;
  /** What an operator did with it. */
  end: 'purged' | 'parked' | undefined;
}

export function nameOf(message: SentMessage): string {
  return `m${message.id} (${message.from} → ${message.queue}@${message.to})`;
}
