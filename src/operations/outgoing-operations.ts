import type { Io } from '../io/io.ts';
import { isPosthornError } from '../message/posthorn-error.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import type { OutgoingQueueStatus } from '../queues/queue-status.ts';
import { readNetworkSettings } from '../transfer/network-options.ts';
import { type NetworkSettings, PORT_DEFAULT } from '../transfer/network-settings.ts';
import type { OutgoingStatus } from '../transfer/outgoing-status.ts';
import { REASON_WORDS, type Where } from '../transfer/reason-words.ts';
import type { Reason } from '../transfer/reasons.ts';
import type { HoldRow } from '../transfer/streams/stream-rows.ts';
import { OUTGOING_HOLD_PREFIX } from '../transfer/streams/stream-rows.ts';
import type { TransferOperations } from '../transfer/transfer-operations.ts';
import { InvalidRequest, OutgoingQueueNotFound, QueueManagerNotRunning } from './errors.ts';
import { PAGE_OUTGOING_MAX } from './limits.ts';
import { oldestSentMs } from './oldest-message.ts';
import type {
  IncomingDescription,
  OutgoingDescription,
  OutgoingPage,
  OutgoingRequest,
  OutgoingWish,
} from './operations.ts';

/**
 * The operations on the traffic with other machines. While the queue manager runs its transfer answers; on a directory
 * that nobody runs the counts and the holds are read from the store, and a hold is written there.
 */
export class OutgoingOperations {
  readonly #manager: QueueManager;
  readonly #io: Io;
  readonly #transfer: TransferOperations | undefined;

  constructor(manager: QueueManager, io: Io, transfer: TransferOperations | undefined) {
    this.#manager = manager;
    this.#io = io;
    this.#transfer = transfer;
  }

  async describe(request: OutgoingRequest): Promise<OutgoingPage> {
    const all = await this.#describeAll();
    if (request.queue !== undefined) return { outgoing: [pick(all, request.queue)], isLast: true };
    const machine = request.machine?.toLowerCase();
    const wanted = all.filter(
      (status) =>
        (machine === undefined || status.machine.toLowerCase() === machine) &&
        (request.afterQueue === undefined || status.queue > request.afterQueue),
    );
    const page = wanted.slice(0, PAGE_OUTGOING_MAX);
    return { outgoing: page.map((status) => ({ ...status, attempts: [] })), isLast: page.length === wanted.length };
  }

  describeIncoming(): IncomingDescription {
    if (this.#transfer !== undefined) return { ...this.#transfer.describeIncoming(), isRunning: true };
    const { machine } = this.#manager;
    return { machine, listeners: [], links: [], refusals: [], refusedCount: 0, isRunning: false };
  }

  async hold(request: OutgoingWish & { readonly by: string }): Promise<OutgoingDescription> {
    if (typeof request.by !== 'string') throw new InvalidRequest('a hold does not say by whom');
    const { queue } = pick(await this.#describeAll(), request.queue);
    if (this.#transfer !== undefined) await this.#transfer.hold(queue, request.by);
    else if (!(await this.#readHolds()).has(queue)) {
      await this.#writeHold(queue, { reason: 'OPERATOR', by: request.by, sinceMs: this.#io.clock.wallNowMs() });
    }
    return pick(await this.#describeAll(), queue);
  }

  async release(request: OutgoingWish): Promise<OutgoingDescription> {
    const { queue } = pick(await this.#describeAll(), request.queue);
    if (this.#transfer !== undefined) await this.#transfer.release(queue);
    else await this.#writeHold(queue, undefined);
    return pick(await this.#describeAll(), queue);
  }

  async retry(request: OutgoingWish): Promise<OutgoingDescription> {
    const { queue } = pick(await this.#describeAll(), request.queue);
    if (this.#transfer === undefined) {
      throw new QueueManagerNotRunning(this.#manager.directory, `nothing can be tried for '${queue}'`);
    }
    this.#transfer.retry(queue);
    return pick(await this.#describeAll(), queue);
  }

  async #describeAll(): Promise<readonly OutgoingDescription[]> {
    if (this.#transfer === undefined) return await this.#describeStopped();
    return (await this.#transfer.describeOutgoing()).map(inWords);
  }

  async #describeStopped(): Promise<readonly OutgoingDescription[]> {
    const settings = await this.#readSettings();
    const holds = await this.#readHolds();
    const described: OutgoingDescription[] = [];
    for (const status of this.#manager.outgoingStatus()) {
      described.push(await this.#describeOne(status, holds.get(status.queue), settings));
    }
    return described;
  }

  async #describeOne(
    status: OutgoingQueueStatus,
    hold: HoldRow | undefined,
    settings: NetworkSettings | Error,
  ): Promise<OutgoingDescription> {
    const { machine } = status;
    const oldestMs = status.messages === 0 ? undefined : await oldestSentMs(this.#manager, status.queue);
    const target = settings instanceof Error ? undefined : settings.machines.get(machine);
    const port = settings instanceof Error ? PORT_DEFAULT : settings.port;
    const nextHop = { name: target?.host ?? machine, address: undefined, port: target?.port ?? port };
    const words =
      hold === undefined
        ? { why: 'not running', mend: "Start the queue manager, with 'posthorn host' or your own program." }
        : wordsOf(hold.reason, { queue: status.queue, machine, ...nextHop });
    return {
      queue: status.queue,
      machine,
      state: hold === undefined ? 'NOT_RUNNING' : 'ON_HOLD',
      reason: hold?.reason,
      ...words,
      text: [
        ...(hold === undefined ? [] : [`Held by ${hold.by} since ${new Date(hold.sinceMs).toISOString()}.`]),
        `No queue manager runs on ${this.#manager.directory}: nothing is sent until one is started.`,
        ...(settings instanceof Error ? [settings.message] : []),
      ].join(' '),
      nextHop,
      messages: status.messages,
      bytes: status.bytes,
      delayed: status.delayed,
      unacknowledged: status.outcomeUnknown,
      oldestAgeMs: oldestMs === undefined ? undefined : Math.max(0, this.#io.clock.wallNowMs() - oldestMs),
      acknowledged: 0,
      lastAcknowledgedAgoMs: undefined,
      epoch: undefined,
      nextAttemptInMs: undefined,
      attempt: 0,
      attempts: [],
      attemptCounts: {},
    };
  }

  /** Settings that cannot be read are part of what is told: they may be why nothing runs. */
  async #readSettings(): Promise<NetworkSettings | Error> {
    try {
      return await readNetworkSettings(this.#manager.directory);
    } catch (error) {
      if (isPosthornError(error)) return error;
      throw error;
    }
  }

  async #readHolds(): Promise<ReadonlyMap<string, HoldRow>> {
    const holds = new Map<string, HoldRow>();
    let afterKey: string | undefined;
    for (let isLast = false; !isLast; ) {
      const page = await this.#manager.readState({
        prefix: OUTGOING_HOLD_PREFIX,
        countMax: 256,
        ...(afterKey !== undefined && { afterKey }),
      });
      // Rows are of this package's own writing.
      for (const { key, value } of page.entries) {
        holds.set(key.slice(OUTGOING_HOLD_PREFIX.length), JSON.parse(value) as HoldRow);
      }
      afterKey = page.entries.at(-1)?.key;
      isLast = page.isLast || afterKey === undefined;
    }
    return holds;
  }

  async #writeHold(queue: string, row: HoldRow | undefined): Promise<void> {
    const work = this.#manager.begin();
    this.#manager.setState(work, OUTGOING_HOLD_PREFIX + queue, row === undefined ? undefined : JSON.stringify(row));
    await work.commit();
  }
}

function inWords(status: OutgoingStatus): OutgoingDescription {
  const { queue, machine, nextHop, reason } = status;
  return { ...status, ...(reason === undefined ? NO_WORDS : wordsOf(reason, { queue, machine, ...nextHop })) };
}

function wordsOf(reason: Reason, where: Where): Pick<OutgoingDescription, 'why' | 'mend'> {
  const { short, mend } = REASON_WORDS[reason];
  return { why: short, mend: mend?.(where) };
}

const NO_WORDS = { why: undefined, mend: undefined } as const;

/** @throws {OutgoingQueueNotFound} naming the nearest */
function pick(all: readonly OutgoingDescription[], queue: string): OutgoingDescription {
  if (typeof queue !== 'string') throw new InvalidRequest('it names no queue');
  const wanted = queue.toLowerCase();
  const found =
    all.find((status) => status.queue === queue) ?? all.find((status) => status.queue.toLowerCase() === wanted);
  if (found === undefined) {
    throw new OutgoingQueueNotFound(
      queue,
      all.map((status) => status.queue),
    );
  }
  return found;
}
