import type { Endpoint } from '../../../src/endpoint/endpoint.ts';
import { nodeIo } from '../../../src/io/node-io.ts';
import { Header } from '../../../src/message/headers.ts';
import type { QueueManager } from '../../../src/queues/queue-manager.ts';
import type { OutgoingMessage } from '../../../src/transport/transport.ts';
import type { LedgerWriter } from '../ledger.ts';
import { pause, type Sending } from '../senders.ts';
import {
  type Cargo,
  formatId,
  isTooLarge,
  type Kind,
  LARGE_BODY_BYTES,
  type MessageName,
  priorityOf,
  QUEUES,
} from './workload.ts';

/**
 * Sends messages of these kinds to the other machine until stopped. Each kind has one task that awaits each of its units of
 * work, so the order of a kind's numbers is the order of its commits.
 */
export function keepSending(options: SendingOptions): Sending {
  let isStopped = false;
  const sendOn = async (kind: Kind): Promise<void> => {
    for (let number = 0; !isStopped; ) {
      const count = kind === 'orders' ? 1 + Math.floor(random.fraction() * 6) : 1;
      const names = Array.from({ length: count }, () => nameOf(options, kind, ++number));
      for (const name of names) options.ledger.note('intent', formatId(name));
      if (kind === 'asks') for (const name of names) await ask(options, name);
      else await options.manager.send(names.map((name) => messageOf(options, name)));
      for (const name of names) options.ledger.note('accepted', formatId(name));
      do await pause(kind === 'missing' ? MISSING_PAUSE_MS : PAUSE_MS);
      while (!isStopped && isBehind(options.manager));
    }
  };
  const tasks = options.kinds.map(sendOn);
  return {
    stop: async () => {
      isStopped = true;
      await Promise.all(tasks);
    },
  };
}

export interface SendingOptions {
  readonly manager: QueueManager;
  readonly asking: Endpoint;
  readonly ledger: LedgerWriter;
  readonly from: Pick<MessageName, 'machine' | 'life'>;
  readonly to: string;
  readonly kinds: readonly Kind[];
}

function nameOf({ from }: SendingOptions, kind: Kind, number: number): MessageName {
  return { ...from, number, kind };
}

async function ask({ asking, from, to }: SendingOptions, name: MessageName): Promise<void> {
  await asking.send('Crash.Ask', cargoOf(name), {
    to: `asks@${to}`,
    messageId: formatId(name),
    replyTo: `${QUEUES.answers}@${from.machine}`,
  });
}

function messageOf({ to }: SendingOptions, name: MessageName): OutgoingMessage {
  const { kind } = name;
  return {
    destination: { queue: kind, machine: to },
    headers: { [Header.messageId]: formatId(name) },
    body: Buffer.from(JSON.stringify(cargoOf(name))),
    ...(kind === 'urgent' && { priority: priorityOf(name) }),
    ...(kind === 'later' && { delayMs: 20 + random.fraction() * 300 }),
    ...(kind === 'short' && { timeToReachQueueMs: 5 + random.fraction() * 2_000 }),
    ...((kind === 'short' || kind === 'moody') && {
      acknowledge: { queue: { queue: QUEUES.receipts }, reached: true },
    }),
  };
}

function cargoOf(name: MessageName): Cargo {
  const paddingBytes = isTooLarge(name) ? LARGE_BODY_BYTES : Math.floor(random.fraction() * 600);
  return { id: formatId(name), padding: 'p'.repeat(paddingBytes) };
}

function isBehind(manager: QueueManager): boolean {
  const passing = manager.outgoingStatus().filter(({ queue }) => !queue.startsWith('missing@'));
  return passing.reduce((sum, { messages }) => sum + messages, 0) > BACKLOG_MAX;
}

const { random } = nodeIo();
const PAUSE_MS = 12;
/** They wait until the other machine has lived long enough to say for good that it has no such queue. */
const MISSING_PAUSE_MS = 200;
const BACKLOG_MAX = 2_000;
