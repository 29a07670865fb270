import { LINK_WINDOW_BYTES } from '../../src/transfer/wire/limits.ts';
import { type Ledger, nameOf, type SentMessage } from './ledger.ts';
import type { SimulatedConnection } from './simulated-connection.ts';
import type { SimulatedDisk } from './simulated-disk.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { MovedMessage, ObservedUnit, UnitEffects } from './store-history.ts';
import { findIds } from './test-message.ts';
import type { World } from './world.ts';

/**
 * Looks at every unit that becomes durable anywhere and at every byte that leaves a process, at that moment. The words
 * are Jepsen's: lost, duplicated, reordered, unexpected; and those of guarantees-and-faults.md: I7, I8, I12, I14, G-T3.
 */
export class Checks {
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #diskOf: (machine: string) => SimulatedDisk | undefined;
  readonly #diskOfProcess: (process: SimulatedProcess) => SimulatedDisk | undefined;
  /** Position at the sender of the last arrival, by stream and lives of both stores. */
  readonly #lastArrival = new Map<string, { readonly position: number; readonly message: SentMessage }>();

  constructor(options: ChecksOptions) {
    this.#world = options.world;
    this.#ledger = options.ledger;
    this.#diskOf = options.diskOf;
    this.#diskOfProcess = options.diskOfProcess;
  }

  /** A unit is durable on the disk of `machine` from now on. */
  applied(machine: string, disk: SimulatedDisk, unit: ObservedUnit): void {
    const effects = disk.history.apply(unit);
    for (const moved of effects.put) this.#put(machine, disk, moved);
    for (const moved of effects.left) this.#left(machine, disk, moved, effects);
    for (const id of effects.consumed) this.#consumed(machine, disk, id, effects);
  }

  /** Bytes are about to leave a process. */
  written(from: SimulatedConnection, bytes: Uint8Array): void {
    if (from.waitingBytes > LINK_WINDOW_BYTES + bytes.byteLength) {
      this.#world.fail('I8 unbounded', `${from.process.name} has ${from.waitingBytes} bytes waiting on one connection`);
    }
    for (const id of findIds(bytes)) this.#writtenMessage(from, id);
  }

  #writtenMessage(from: SimulatedConnection, id: number): void {
    const message = this.#message(id);
    const { other } = from;
    if (message === undefined || other === undefined) return;
    const sender = from.process.machine;
    const receiver = other.process.machine;
    if (!from.isDialer || sender !== message.from || receiver !== message.to) {
      this.#world.fail(
        'I14 misdelivered',
        `${nameOf(message)} was written by ${sender} on a connection to ${receiver}`,
      );
    }
    if (from.receivedBytes === 0) {
      this.#world.fail('I14 before identity', `${nameOf(message)} was written before ${receiver} had said a word`);
    }
    const history = this.#diskOfProcess(from.process)?.history;
    const accepted = history?.accepted.get(id);
    if (accepted === undefined) {
      this.#world.fail('sent before sync', `${nameOf(message)} was written before it was durable at ${sender}`);
      return;
    }
    const sentUpTo = Number(history?.state.get(`sent-up-to/${accepted.queue}`) ?? 0);
    if (accepted.position > sentUpTo) {
      this.#world.fail(
        'sent before reserved',
        `${nameOf(message)} at ${accepted.position} was written, and the durable sent-up-to is ${sentUpTo}`,
      );
    }
  }

  #put(machine: string, disk: SimulatedDisk, moved: MovedMessage): void {
    const message = this.#message(moved.id);
    if (message === undefined || moved.kind === 'journal') return;
    if (moved.queue.includes('@')) this.#accepted(machine, disk, moved, message);
    else if (moved.queue === DEAD_LETTER) this.#deadLettered(machine, disk, moved, message);
    else if (moved.queue === PARKED) message.end = 'parked';
    else if (moved.kind === 'queue' || message.from === machine) this.#arrived(machine, disk, moved, message);
  }

  #accepted(machine: string, disk: SimulatedDisk, moved: MovedMessage, message: SentMessage): void {
    if (machine !== message.from || moved.queue !== `${message.queue}@${message.to}`) {
      this.#world.fail('I7 misdelivered', `${nameOf(message)} is in ${moved.queue} of ${machine}`);
    }
    if (message.outcome === 'failed' && !this.#ledger.isExcused(message)) {
      this.#world.fail('unexpected', `${nameOf(message)} was refused to its sender and is in ${moved.queue}`);
    }
    if (moved.kind === 'queue') disk.history.accepted.set(message.id, { queue: moved.queue, position: moved.position });
  }

  #deadLettered(machine: string, disk: SimulatedDisk, moved: MovedMessage, message: SentMessage): void {
    const { deadLettered } = disk.history;
    const count = (deadLettered.get(message.id)?.count ?? 0) + 1;
    deadLettered.set(message.id, { reason: moved.deadLetterReason, count });
    this.#world.note(`${machine} dead-letters ${nameOf(message)}: ${moved.deadLetterReason}`);
    if (machine !== message.from || this.#ledger.isExcused(message)) return;
    if (message.everArrived > 0) {
      this.#world.fail(
        'arrived and dead-lettered',
        `${nameOf(message)} has arrived and its sender dead-letters it: ${moved.deadLetterReason}`,
      );
    } else if (!message.mayBeRefused) {
      this.#world.fail('unexpected', `${nameOf(message)} is dead-lettered without need: ${moved.deadLetterReason}`);
    }
  }

  #arrived(machine: string, disk: SimulatedDisk, moved: MovedMessage, message: SentMessage): void {
    if (machine !== message.to || moved.queue !== message.queue) {
      this.#world.fail('I7 misdelivered', `${nameOf(message)} arrived in ${moved.queue} of ${machine}`);
      return;
    }
    if (message.from === message.to) return;
    const { arrivals } = disk.history;
    const before = arrivals.get(message.id) ?? [];
    const isExcused =
      (this.#ledger.isExcused(message) && moved.isPossibleDuplicate) || this.#isUnknowable(message, before.length > 0);
    if (message.everArrived > 0 && !isExcused) {
      this.#world.fail(
        'duplicated',
        `${nameOf(message)} arrived again, ${moved.isPossibleDuplicate ? '' : 'un'}marked`,
      );
    }
    if (moved.isPossibleDuplicate && !this.#ledger.isExcused(message)) {
      this.#world.fail('unexpected', `${nameOf(message)} is marked as a possible duplicate and nothing has happened`);
    }
    this.#ledger.arrived(message);
    arrivals.set(message.id, [
      ...before,
      { order: disk.history.order++, isPossibleDuplicate: moved.isPossibleDuplicate, atMs: this.#world.nowMs },
    ]);
    this.#checkAgainstSender(disk, moved, message);
  }

  /** Repetitions that nobody who is left can know of. */
  #isUnknowable(message: SentMessage, isThere: boolean): boolean {
    // A sender that went back in time learns so from the receiver; when that one lost its store too, nobody can know.
    if (this.#ledger.hadIncident(message.from) && this.#ledger.hadIncident(message.to)) return true;
    // A receiver that went back, and not behind what the sender has seen acknowledged: to both of them, nothing has happened.
    return this.#ledger.wentBack(message.to) && !isThere;
  }

  #checkAgainstSender(disk: SimulatedDisk, moved: MovedMessage, message: SentMessage): void {
    const sender = this.#diskOf(message.from)?.history;
    if (sender === undefined) return;
    const isExcused = this.#ledger.hadIncident(message.from);
    if (sender.deadLettered.has(message.id) && !isExcused) {
      this.#world.fail('arrived and dead-lettered', `${nameOf(message)} arrives and was dead-lettered by its sender`);
    }
    if (message.end !== undefined && !isExcused) {
      this.#world.fail('unexpected', `${nameOf(message)} arrives and was ${message.end} at its sender`);
    }
    const accepted = sender.accepted.get(message.id);
    if (accepted === undefined) {
      if (!isExcused) this.#world.fail('unexpected', `${nameOf(message)} arrives and its sender does not hold it`);
      return;
    }
    const stream = `${message.from}.${sender.lineage} → ${message.queue}@${message.to}.${disk.history.lineage}`;
    const last = this.#lastArrival.get(stream);
    const isBehind = last !== undefined && accepted.position <= last.position;
    if (isBehind && !moved.isPossibleDuplicate && !this.#ledger.wasCopied(message.from)) {
      this.#world.fail('reordered', `${nameOf(message)} arrives after ${nameOf(last.message)}, which was sent later`);
    }
    this.#lastArrival.set(stream, { position: accepted.position, message });
  }

  #left(machine: string, disk: SimulatedDisk, moved: MovedMessage, effects: UnitEffects): void {
    const message = this.#message(moved.id);
    if (message === undefined || moved.kind === 'journal') return;
    const isKept = effects.put.some(({ id, kind }) => id === moved.id && kind !== 'journal');
    if (isKept) return;
    if (moved.queue.includes('@')) {
      disk.history.removedOutgoing.add(message.id);
      if (message.isBeingPurged && message.everArrived === 0) message.end = 'purged';
      if (message.everArrived > 0 || message.end === 'purged' || this.#ledger.isExcused(message)) return;
      this.#world.fail(
        'lost',
        `${nameOf(message)} left the outgoing queue of ${machine} and is nowhere else durable (G-T3)`,
      );
      return;
    }
    if (moved.queue === DEAD_LETTER || moved.queue === PARKED || effects.consumed.includes(moved.id)) return;
    this.#world.fail('I12 not atomic', `${nameOf(message)} left ${moved.queue} of ${machine} without being consumed`);
  }

  #consumed(machine: string, disk: SimulatedDisk, id: number, effects: UnitEffects): void {
    const message = this.#message(id);
    if (message === undefined) return;
    const { consumed, arrivals } = disk.history;
    const count = (consumed.get(id) ?? 0) + 1;
    consumed.set(id, count);
    if (!effects.left.some((left) => left.id === id)) {
      this.#world.fail('I12 not atomic', `${nameOf(message)} was consumed at ${machine} and did not leave its queue`);
    }
    const arrivalCount = message.from === message.to ? 1 : (arrivals.get(id)?.length ?? 0);
    if (count > arrivalCount) {
      this.#world.fail(
        'I2 duplicated',
        `${nameOf(message)} was consumed ${count} times and arrived ${arrivalCount} times`,
      );
    }
  }

  #message(id: number): SentMessage | undefined {
    const message = this.#ledger.get(id);
    if (message === undefined) this.#world.fail('unexpected', `there is a message m${id} that nobody sent`);
    return message;
  }
}

export interface ChecksOptions {
  readonly world: World;
  readonly ledger: Ledger;
  /** By name; of a machine that was copied, the original's. */
  diskOf(machine: string): SimulatedDisk | undefined;
  diskOfProcess(process: SimulatedProcess): SimulatedDisk | undefined;
}

export const DEAD_LETTER = 'dead-letter';
/** Where an operator of the simulation moves messages. */
export const PARKED = 'parked';
