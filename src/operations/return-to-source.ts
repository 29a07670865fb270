import { failpoint } from '../io/failpoint.ts';
import type { Io } from '../io/io.ts';
import { parseAddress } from '../message/address.ts';
import { InvalidOption } from '../message/errors.ts';
import { PosthornError } from '../message/posthorn-error.ts';
import { QueueNotFound } from '../queues/errors.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import { isOutcomeUnknown } from '../transactions/outcome-unknown.ts';
import type { Delivery, OutgoingMessage } from '../transport/transport.ts';
import { ReturnOperationNotFound } from './errors.ts';
import { CHANGE_PAGE_MESSAGES_MAX, LEFT_EXAMPLES_MAX, RETURN_OPERATIONS_MAX } from './limits.ts';
import { messageMatcher, needsBodies } from './message-filter.ts';
import type { StartReturnRequest } from './operations.ts';
import { pageEnd } from './page-end.ts';
import {
  decodeReturnOperation,
  encodeReturnOperation,
  type LeftReason,
  OPERATION_PREFIX,
  operationKey,
  type ReturnOperation,
} from './return-operation.ts';
import { planReturn, type ReturnPlan } from './returned-message.ts';

/**
 * Returns messages to where they failed, page by page. Each page is one unit of work: messages out of the error queue,
 * the same messages into their source queues, and the operation's own progress (see `ReturnOperation`).
 */
export class ReturnToSource {
  readonly #manager: QueueManager;
  readonly #io: Io;
  /** Pages of one operation run one after the other, whoever asks for them. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(manager: QueueManager, io: Io) {
    this.#manager = manager;
    this.#io = io;
  }

  async start(request: StartReturnRequest): Promise<ReturnOperation> {
    this.#check(request);
    const known = await this.list();
    const same = known.find((operation) => operation.state === 'running' && wishesOf(operation) === wishesOf(request));
    if (same !== undefined) return same;
    const operation = this.#newOperation(request);
    const work = this.#manager.begin();
    this.#manager.setState(work, operationKey(operation.id), encodeReturnOperation(operation));
    for (const old of leastNeeded(known)) this.#manager.setState(work, operationKey(old.id), undefined);
    await work.commit();
    return operation;
  }

  continue(id: string, countMax: number): Promise<ReturnOperation> {
    return this.#inTurn(id, async () => {
      const operation = await this.#find(id);
      return operation.state === 'running' ? await this.#returnPage(operation, countMax) : operation;
    });
  }

  cancel(id: string): Promise<ReturnOperation> {
    return this.#inTurn(id, async () => {
      const operation = await this.#find(id);
      if (operation.state !== 'running') return operation;
      const cancelled: ReturnOperation = { ...operation, state: 'cancelled', updatedMs: this.#io.clock.wallNowMs() };
      const work = this.#manager.begin();
      this.#manager.setState(work, operationKey(id), encodeReturnOperation(cancelled));
      await work.commit();
      return cancelled;
    });
  }

  /** Latest first. */
  async list(): Promise<readonly ReturnOperation[]> {
    const operations: ReturnOperation[] = [];
    let afterKey: string | undefined;
    for (;;) {
      const page = await this.#manager.readState({
        prefix: OPERATION_PREFIX,
        countMax: 256,
        ...(afterKey !== undefined && { afterKey }),
      });
      for (const entry of page.entries) {
        const operation = decodeReturnOperation(entry.value);
        if (operation !== undefined) operations.push(operation);
      }
      afterKey = page.entries.at(-1)?.key;
      if (page.isLast || afterKey === undefined) return operations.reverse();
    }
  }

  #check(request: StartReturnRequest): void {
    messageMatcher(request.filter, 0);
    if (!this.#manager.hasQueue(request.errorQueue)) throw new QueueNotFound(request.errorQueue, this.#queueNames());
    if (request.to === undefined) return;
    const to = parseAddress(request.to);
    if (!this.#manager.isHere(to.machine)) return;
    if (to.queue === request.errorQueue) {
      throw new InvalidOption('--to', `is '${request.to}', the queue that is to be emptied`, 'Name another queue.');
    }
    if (!this.#manager.hasQueue(to.queue)) throw new QueueNotFound(to.queue, this.#queueNames());
  }

  #queueNames(): string[] {
    return this.#manager.status().map((status) => status.queue);
  }

  #newOperation(request: StartReturnRequest): ReturnOperation {
    const nowMs = this.#io.clock.wallNowMs();
    const status = this.#manager.status().find((queue) => queue.queue === request.errorQueue);
    return {
      id: `${Math.floor(nowMs).toString(36)}-${this.#io.random.uuid().slice(0, 4)}`,
      state: 'running',
      errorQueue: request.errorQueue,
      to: request.to,
      filter: request.filter,
      sequenceMax: this.#manager.highestSequence(),
      cursor: undefined,
      total: status?.messages ?? 0,
      lookedAt: 0,
      returned: 0,
      left: {},
      leftExamples: [],
      startedMs: nowMs,
      updatedMs: nowMs,
    };
  }

  async #find(id: string): Promise<ReturnOperation> {
    const page = await this.#manager.readState({ prefix: operationKey(id), countMax: 1 });
    const entry = page.entries[0];
    const operation = entry?.key === operationKey(id) ? decodeReturnOperation(entry.value) : undefined;
    if (operation === undefined) throw new ReturnOperationNotFound(id);
    return operation;
  }

  async #returnPage(operation: ReturnOperation, countMax: number): Promise<ReturnOperation> {
    const page = await this.#manager.takePage(
      {
        queue: operation.errorQueue,
        sequenceMax: operation.sequenceMax,
        countMax: Math.max(1, Math.min(CHANGE_PAGE_MESSAGES_MAX, Math.floor(countMax))),
        withBodies: needsBodies(operation.filter),
        ...(operation.cursor !== undefined && { afterPosition: operation.cursor }),
      },
      messageMatcher(operation.filter, operation.startedMs),
    );
    const work = this.#manager.begin();
    const held = new Set<Delivery>(page.taken.map((taken) => taken.delivery));
    try {
      const left = new LeftMessages(operation);
      left.add('locked', page.lockedCount);
      let returned = 0;
      for (const { message, delivery } of page.taken) {
        const plan = planReturn(message, delivery, operation.to);
        const refusal = plan.kind === 'leave' ? plan : await this.#enlist(plan, delivery, work);
        if (refusal === undefined) {
          returned++;
        } else {
          left.add(refusal.reason, 1, { id: message.id, reason: refusal.reason, text: refusal.text });
          held.delete(delivery);
          delivery.release();
        }
      }
      const end = pageEnd(page, page.lookedAt, operation.sequenceMax);
      const next: ReturnOperation = {
        ...operation,
        ...left.result(),
        state: end.isLast ? 'finished' : 'running',
        cursor: end.lastPosition ?? operation.cursor,
        lookedAt: operation.lookedAt + page.lookedAt,
        returned: operation.returned + returned,
        updatedMs: this.#io.clock.wallNowMs(),
      };
      this.#manager.setState(work, operationKey(operation.id), encodeReturnOperation(next));
      failpoint('return.before-page');
      await work.commit();
      failpoint('return.after-page');
      return next;
    } catch (error) {
      work.rollback();
      // What may have been committed stays locked: the queue manager looks at the disk before anybody gets it.
      if (!isOutcomeUnknown(error)) for (const delivery of held) delivery.release();
      throw error;
    }
  }

  /** Lets one message take part in the page's unit; or says why its destination refuses it. */
  async #enlist(
    plan: Exclude<ReturnPlan, { kind: 'leave' }>,
    delivery: Delivery,
    work: ReturnType<QueueManager['begin']>,
  ): Promise<Extract<ReturnPlan, { kind: 'leave' }> | undefined> {
    const message: OutgoingMessage = {
      destination: plan.destination,
      body: delivery.body,
      priority: delivery.priority,
      ...(plan.kind === 'return' ? { headers: plan.headers } : { headers: {}, headerBytes: plan.headerBytes }),
    };
    try {
      await this.#manager.send([message], work);
    } catch (error) {
      if (error instanceof PosthornError && REFUSALS.has(error.code))
        return { kind: 'leave', reason: 'refused', text: error.message };
      throw error;
    }
    delivery.complete(work);
    return undefined;
  }

  async #inTurn<Result>(id: string, action: () => Promise<Result>): Promise<Result> {
    const before = this.#turns.get(id) ?? Promise.resolve();
    const turn = before.then(action, action);
    this.#turns.set(id, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(id) === turn) this.#turns.delete(id);
    }
  }
}

/** What a destination may answer that concerns one message only. */
const REFUSALS: ReadonlySet<string> = new Set([
  'QUEUE_FULL',
  'INVALID_ADDRESS',
  'MESSAGE_TOO_LARGE',
  'TOO_MANY_QUEUES',
]);

/** Counts of messages left behind, on top of what earlier pages left. */
class LeftMessages {
  readonly #counts: Partial<Record<LeftReason, number>>;
  readonly #examples: ReturnOperation['leftExamples'][number][];

  constructor(before: ReturnOperation) {
    this.#counts = { ...before.left };
    this.#examples = [...before.leftExamples];
  }

  add(reason: LeftReason, count: number, example?: ReturnOperation['leftExamples'][number]): void {
    if (count === 0) return;
    this.#counts[reason] = (this.#counts[reason] ?? 0) + count;
    if (example !== undefined && this.#examples.length < LEFT_EXAMPLES_MAX) this.#examples.push(example);
  }

  result(): Pick<ReturnOperation, 'left' | 'leftExamples'> {
    return { left: this.#counts, leftExamples: this.#examples };
  }
}

/** Two requests for the same messages to the same place have the same wishes. */
function wishesOf(request: StartReturnRequest): string {
  const wishes = Object.entries(request.filter).filter(([, value]) => value !== undefined);
  wishes.sort(([left], [right]) => (left < right ? -1 : 1));
  const inOrder = wishes.map(([name, value]) => [name, Array.isArray(value) ? [...value].sort() : value]);
  return JSON.stringify([request.errorQueue, request.to ?? null, inOrder]);
}

/** What has to go so that one more can be kept: ended operations before running ones, oldest first. `known` is latest first. */
function leastNeeded(known: readonly ReturnOperation[]): readonly ReturnOperation[] {
  const excess = known.length + 1 - RETURN_OPERATIONS_MAX;
  if (excess <= 0) return [];
  const oldestFirst = [...known].reverse();
  const ended = oldestFirst.filter((operation) => operation.state !== 'running');
  const running = oldestFirst.filter((operation) => operation.state === 'running');
  return [...ended, ...running].slice(0, excess);
}
