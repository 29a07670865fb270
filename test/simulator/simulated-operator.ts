import { isPosthornError } from '../../src/message/posthorn-error.ts';
import { PARKED } from './checks.ts';
import type { SimulatedMachine } from './simulated-machine.ts';
import { readId } from './test-message.ts';
import type { Universe } from './universe.ts';

/** A person at a machine: holds and releases outgoing queues, takes messages away, limits queues. What is asked for may fail. */
export class SimulatedOperator {
  readonly #universe: Universe;

  constructor(universe: Universe) {
    this.#universe = universe;
  }

  /** One of the outgoing queues of the workload. */
  choose(machine: SimulatedMachine): { readonly machine: SimulatedMachine; readonly queue: string } | undefined {
    const outgoing = machine.running?.manager.outgoingStatus().filter(({ queue }) => queue.startsWith('in-')) ?? [];
    const chosen = outgoing[this.#universe.world.random.integer(Math.max(1, outgoing.length))];
    return chosen === undefined ? undefined : { machine, queue: chosen.queue };
  }

  hold(machine: SimulatedMachine, queue: string): void {
    this.#universe.world.note(`${queue} of ${machine.name} is held`);
    this.#quietly(machine.running?.transfer.hold(queue, 'an operator of the simulation'));
  }

  releaseAll(machine: SimulatedMachine): void {
    const { running } = machine;
    if (running === undefined) return;
    for (const { queue } of running.manager.outgoingStatus()) this.#quietly(running.transfer.release(queue));
  }

  /** Gives one local queue a small quota; the answer is which. */
  limitOne(machine: SimulatedMachine): string | undefined {
    const { random } = this.#universe.world;
    const local = machine.running?.manager.status().filter(({ queue }) => queue.startsWith('in-')) ?? [];
    const queue = local[random.integer(Math.max(1, local.length))]?.queue;
    if (queue === undefined) return undefined;
    this.#quietly(machine.running?.manager.declareQueue(queue, { quotaMessages: 1 + random.integer(3) }));
    return queue;
  }

  liftLimit(machine: SimulatedMachine, queue: string): void {
    this.#quietly(machine.running?.manager.declareQueue(queue, {}));
  }

  /** No hold and no limit is left. */
  putRight(machine: SimulatedMachine): void {
    this.releaseAll(machine);
    for (const { queue } of machine.running?.manager.status() ?? []) {
      if (queue.startsWith('in-')) this.liftLimit(machine, queue);
    }
  }

  takeAway(machine: SimulatedMachine, queue: string, how: 'purged' | 'parked'): void {
    this.#quietly(this.#takeAway(machine, queue, how));
  }

  /** As the verbs of the command line do it: a page is locked, and leaves in one unit. */
  async #takeAway(machine: SimulatedMachine, queue: string, how: 'purged' | 'parked'): Promise<void> {
    const { running } = machine;
    if (running === undefined) return;
    const { manager } = running;
    const page = await manager.takePage({ queue, countMax: 5, withBodies: true }, () => true);
    const work = manager.begin();
    const messages = page.taken.map(({ message }) => this.#universe.ledger.get(readId(message.body ?? EMPTY) ?? -1));
    try {
      for (const { message, delivery } of page.taken) {
        delivery.complete(work);
        if (how === 'purged') continue;
        const copy = {
          destination: { queue: PARKED },
          headers: {},
          headerBytes: delivery.headers,
          body: delivery.body,
        };
        await manager.send([{ ...copy, priority: message.priority }], work);
      }
      // It ends so when that is seen to be durable: the process may die first.
      for (const message of messages) if (message !== undefined && how === 'purged') message.isBeingPurged = true;
      await work.commit();
      this.#universe.world.note(`${page.taken.length} messages of ${queue} of ${machine.name} are ${how}`);
    } catch (error) {
      work.rollback();
      if (work.state !== 'rolledBack') throw error;
      for (const message of messages) if (message !== undefined) message.isBeingPurged = false;
      for (const { delivery } of page.taken) delivery.release();
      throw error;
    }
  }

  #quietly(promise: Promise<unknown> | undefined): void {
    promise?.catch((error: unknown) => {
      if (isPosthornError(error)) this.#universe.coverage.count(`operator ${error.code}`);
      else
        this.#universe.world.fail('uncaught rejection', error instanceof Error ? String(error.stack) : String(error));
    });
  }
}

const EMPTY = new Uint8Array(0);
