import { isPosthornError } from '../../src/message/posthorn-error.ts';
import type { Delivery, OutgoingMessage } from '../../src/transport/transport.ts';
import type { SentMessage } from './ledger.ts';
import type { RunningMachine } from './simulated-machine.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { ACKNOWLEDGEMENTS, EFFECT_PREFIX } from './store-history.ts';
import { encodeBody } from './test-message.ts';
import type { Universe } from './universe.ts';

/** What the programs of one machine do in a run; it outlives their processes. */
export interface MachinePlan {
  /** Local queues, and how long after each start they are made. */
  readonly queues: readonly { readonly name: string; readonly madeAfterMs: number }[];
  readonly sends: PlannedSend[];
  readonly consumersPerQueue: number;
  readonly handlingMsMax: number;
  readonly rollbackRate: number;
  /** Share of the consumed messages whose consumer sends another in the same unit. */
  readonly forwardRate: number;
  chooseForward(): PlannedMessage;
}

export interface PlannedSend {
  readonly atMs: number;
  readonly messages: readonly PlannedMessage[];
  /** In a unit of work, which is committed or rolled back. */
  readonly unit: 'none' | 'committed' | 'rolledBack';
}

export interface PlannedMessage {
  readonly to: string;
  readonly queue: string;
  readonly priority: number;
  readonly padding: number;
  readonly delayMs?: number;
  readonly timeToReachQueueMs?: number;
  readonly timeToBeReceivedMs?: number;
  /** Nobody has that queue, or it is too large there, or it may come too late. */
  readonly mayBeRefused?: boolean;
  readonly isAcknowledged?: boolean;
}

/** The programs of one process: senders and consumers, written as a user would. */
export function runPrograms(universe: Universe, plan: MachinePlan, running: RunningMachine): void {
  const guard = (what: string, promise: Promise<void>): void => {
    promise.catch((error: unknown) => {
      if (!running.process.isAlive) return;
      if (isPosthornError(error)) universe.world.note(`${running.process.name}: ${what} ended: ${error.code}`);
      else universe.world.fail('uncaught rejection', error instanceof Error ? String(error.stack) : String(error));
    });
  };
  for (const queue of plan.queues) guard(`consumers of ${queue.name}`, consumeQueue(universe, plan, running, queue));
  guard(
    'the administration queue',
    retrying(running, () => running.manager.declareQueue(ACKNOWLEDGEMENTS)),
  );
  guard('sender', sendPlanned(universe, plan, running));
}

export function sleep(process: SimulatedProcess, ms: number): Promise<void> {
  return new Promise((resolve) => {
    process.io.timers.after(ms, resolve);
  });
}

async function sendPlanned(universe: Universe, plan: MachinePlan, running: RunningMachine): Promise<void> {
  const { process } = running;
  for (let next = plan.sends[0]; next !== undefined; next = plan.sends[0]) {
    const waitMs = next.atMs - universe.world.nowMs;
    if (waitMs > 0) {
      await sleep(process, waitMs);
      continue;
    }
    plan.sends.shift();
    await running.manager.admission();
    const sending = sendBatch(universe, running, next);
    if (universe.world.random.fraction() < 0.5) await sending;
  }
}

/** Hands the messages in, and notes what was answered. */
export async function sendBatch(universe: Universe, running: RunningMachine, planned: PlannedSend): Promise<void> {
  const { manager, machine } = running;
  const messages = planned.messages.map((message) => enter(universe, machine.name, message));
  const outgoing = messages.map((message, index) => outgoingOf(message, planned.messages[index] as PlannedMessage));
  universe.tap.happened('send', running.process, running.process);
  try {
    if (planned.unit === 'none') {
      await manager.send(outgoing);
    } else {
      const work = manager.begin();
      await manager.send(outgoing, work);
      if (planned.unit === 'rolledBack') {
        work.rollback();
        for (const message of messages) message.outcome = 'failed';
        return;
      }
      await work.commit();
    }
    for (const message of messages) message.outcome = 'ok';
  } catch (error) {
    if (!isPosthornError(error)) throw error;
    universe.world.note(`${running.process.name}: a send ended: ${error.code}`);
    universe.coverage.count(`send ${error.code}`);
    if (error.code !== 'OUTCOME_UNKNOWN') for (const message of messages) message.outcome = 'failed';
  }
}

function enter(universe: Universe, from: string, planned: PlannedMessage): SentMessage {
  return universe.ledger.add({
    from,
    to: planned.to,
    queue: planned.queue,
    priority: planned.priority,
    delayMs: planned.delayMs,
    mayBeRefused: planned.mayBeRefused === true,
    isAcknowledged: planned.isAcknowledged === true,
  });
}

function outgoingOf(message: SentMessage, planned: PlannedMessage): OutgoingMessage {
  return {
    destination: { queue: message.queue, machine: message.to },
    headers: { 'NServiceBus.MessageId': `simulated-${message.id}` },
    body: encodeBody(message.id, planned.padding),
    priority: message.priority,
    ...(planned.delayMs !== undefined && { delayMs: planned.delayMs }),
    ...(planned.timeToReachQueueMs !== undefined && { timeToReachQueueMs: planned.timeToReachQueueMs }),
    ...(planned.isAcknowledged === true && { acknowledge: { queue: { queue: ACKNOWLEDGEMENTS } } }),
    ...(planned.timeToBeReceivedMs !== undefined && { timeToBeReceivedMs: planned.timeToBeReceivedMs }),
  };
}

async function consumeQueue(
  universe: Universe,
  plan: MachinePlan,
  running: RunningMachine,
  queue: MachinePlan['queues'][number],
): Promise<void> {
  if (queue.madeAfterMs > 0) await sleep(running.process, queue.madeAfterMs);
  await retrying(running, () => running.manager.declareQueue(queue.name));
  await Promise.all(
    Array.from({ length: plan.consumersPerQueue }, () => consumeLoop(universe, plan, running, queue.name)),
  );
}

/** Until the store takes it. */
async function retrying(running: RunningMachine, action: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!isPosthornError(error) || error.code === 'QUEUE_MANAGER_CLOSED') throw error;
      await sleep(running.process, 500);
    }
  }
}

async function consumeLoop(
  universe: Universe,
  plan: MachinePlan,
  running: RunningMachine,
  queue: string,
): Promise<void> {
  const receiver = await running.manager.openReceiver(queue);
  while (await receiver.peek()) {
    let delivery: Delivery | undefined;
    try {
      delivery = receiver.receive();
    } catch (error) {
      if (!isPosthornError(error)) throw error;
      await sleep(running.process, 100);
      continue;
    }
    if (delivery === undefined) {
      await sleep(running.process, 5);
      continue;
    }
    receiver.noteStarts();
    await handle(universe, plan, running, delivery);
  }
}

async function handle(
  universe: Universe,
  plan: MachinePlan,
  running: RunningMachine,
  delivery: Delivery,
): Promise<void> {
  const { world } = universe;
  const { manager, process } = running;
  await sleep(process, plan.handlingMsMax * world.random.fraction());
  const work = manager.begin();
  const id = Number(/SIMULATED:(\d+);/.exec(Buffer.from(delivery.body).toString('latin1'))?.[1]);
  let forwarded: SentMessage | undefined;
  try {
    delivery.complete(work);
    manager.setState(work, `${EFFECT_PREFIX}${id}/${process.io.random.uuid()}`, queueEffect(delivery));
    if (world.random.fraction() < plan.forwardRate) {
      const planned = plan.chooseForward();
      forwarded = enter(universe, running.machine.name, planned);
      await manager.send([outgoingOf(forwarded, planned)], work);
    }
    universe.tap.happened('consume', process, process);
    if (world.random.fraction() < plan.rollbackRate) work.rollback();
    else await work.commit();
    if (forwarded !== undefined) forwarded.outcome = work.state === 'committed' ? 'ok' : 'failed';
  } catch (error) {
    if (!isPosthornError(error)) throw error;
    universe.coverage.count(`consume ${error.code}`);
    work.rollback();
    if (forwarded !== undefined && work.state === 'rolledBack') forwarded.outcome = 'failed';
    if (work.state === 'rolledBack') await sleep(process, 200);
  }
  if (work.state === 'rolledBack') delivery.release();
}

function queueEffect(delivery: Delivery): string {
  return `${delivery.queue} ${delivery.priority}`;
}
