import { join } from 'node:path';
import { describeKeys } from '../keys/describe-keys.ts';
import { isPosthornError } from '../message/posthorn-error.ts';
import type { IncomingDescription, ManagerDescription, Operations } from '../operations/operations.ts';
import type { Finding } from '../transactions/resource-manager.ts';
import type { TransactionView } from '../transactions/transaction-view.ts';
import { transactionPages } from './find-transaction.ts';
import { countOf, formatAge, formatBytes, formatSpan } from './format.ts';
import { isAlarming } from './outgoing-alarm.ts';
import { STATE_WORDS } from './transaction-words.ts';
import { isResourceAlarming, isTransactionAlarming } from './transactions-alarm.ts';
import { type CommonOptions, type VerbContext, withOperations } from './verb.ts';

/** Looks at this machine: what runs here, its store, disk, clock, listener, keys, and what is not settled. */
export async function examineMachine(
  context: VerbContext,
  options: CommonOptions & { readonly directory: string; readonly needsStore: boolean },
  tell: (finding: Finding) => void,
): Promise<void> {
  tell({ step: 'Node.js', outcome: 'ok', text: `${process.versions.node}, as this command runs` });
  try {
    await withOperations(context, options, async (operations) => {
      await examineStore(operations, tell);
      await examineHealth(operations, tell);
      tell(listenerOf(await operations.describeIncoming(), context.io.clock.wallNowMs()));
      await examineOutgoing(operations, tell);
      await examineTransactions(context, operations, tell);
      return 0;
    });
  } catch (error) {
    if (!isPosthornError(error)) throw error;
    const isMissing = error.code === 'NO_QUEUE_MANAGER' && !options.needsStore;
    tell({ step: 'store', outcome: isMissing ? 'skipped' : 'failed', text: error.what, mend: error.mend });
  }
  await examineKeys(context, join(options.directory, 'keys'), tell);
}

async function examineStore(operations: Operations, tell: (finding: Finding) => void): Promise<void> {
  const manager = await operations.describeManager();
  const owner =
    manager.pid === process.pid ? 'no queue manager runs' : `a queue manager runs in process ${manager.pid}`;
  const text = `${manager.machine}, ${manager.directory}: ${owner}`;
  const trouble = TROUBLES[manager.condition];
  if (trouble === undefined) tell({ step: 'store', outcome: 'ok', text });
  else tell({ step: 'store', outcome: 'failed', text: `${text}; ${trouble.what}`, mend: trouble.mend });
}

const TROUBLES: Readonly<
  Record<ManagerDescription['condition'], { readonly what: string; readonly mend: string } | undefined>
> = {
  ready: undefined,
  full: { what: 'the disk has no room, sends are refused', mend: 'Make room; it goes on by itself.' },
  recovering: { what: 'a disk write failed, the store is being reopened', mend: 'See to the disk and the log.' },
  failed: {
    what: 'the disk failed, nothing is taken any more',
    mend: 'Mend or replace the disk, then start the queue manager again.',
  },
};

async function examineHealth(operations: Operations, tell: (finding: Finding) => void): Promise<void> {
  const { nodeVersion, version, freeBytes, diskBytes, clockAheadMs, network } = await operations.describeHealth();
  if (nodeVersion !== process.versions.node) {
    tell({ step: 'Node.js', outcome: 'ok', text: `${nodeVersion}, as the queue manager runs (Posthorn ${version})` });
  }
  const room = `${formatBytes(freeBytes)} of ${formatBytes(diskBytes)} are free`;
  if (freeBytes >= FREE_BYTES_MIN) tell({ step: 'disk', outcome: 'ok', text: room });
  else tell({ step: 'disk', outcome: 'warning', text: room, mend: 'Make room: without any, sends are refused.' });
  const jumpMs = Math.abs(clockAheadMs);
  if (jumpMs < CLOCK_JUMP_MS_MAX) {
    tell({ step: 'clock', outcome: 'ok', text: 'runs as it did since the store was made' });
  } else {
    const direction = clockAheadMs > 0 ? 'ahead of' : 'behind';
    tell({
      step: 'clock',
      outcome: 'warning',
      text: `stands ${formatAge(jumpMs)} ${direction} the time that deadlines count by: it was set, or the machine slept`,
      mend: 'Deadlines are right all the same; see that the time is kept by NTP, for logs and certificates.',
    });
  }
  if (network !== undefined) {
    tell({ step: 'network', outcome: 'failed', text: network.what, mend: network.mend });
  }
}

const FREE_BYTES_MIN = 1024 ** 3;
const CLOCK_JUMP_MS_MAX = 60_000;

function listenerOf({ isRunning, listeners }: IncomingDescription, nowMs: number): Finding {
  if (!isRunning)
    return { step: 'listener', outcome: 'skipped', text: 'no queue manager listens, so no other machine can connect' };
  if (listeners.length === 0) {
    return { step: 'listener', outcome: 'ok', text: "'listen' is not set: other machines can send nothing here" };
  }
  const places = listeners.map(({ address, port, state, sinceMs }) => {
    const since = sinceMs === undefined ? '' : ` for ${formatAge(nowMs - sinceMs)}`;
    return `${address.includes(':') ? `[${address}]` : address}:${port} ${state}${since}`;
  });
  const text = places.join(', ');
  const troubles = listeners.filter(({ state }) => state !== 'LISTENING').map((listener) => listener.text);
  if (troubles.length === 0) return { step: 'listener', outcome: 'ok', text };
  return {
    step: 'listener',
    outcome: 'failed',
    text: `${text}: ${troubles.join(' ')}`,
    mend: "'posthorn incoming' tells more.",
  };
}

async function examineOutgoing(operations: Operations, tell: (finding: Finding) => void): Promise<void> {
  const stuck: string[] = [];
  let count = 0;
  let afterQueue: string | undefined;
  for (;;) {
    const page = await operations.describeOutgoing({ afterQueue });
    count += page.outgoing.length;
    stuck.push(...page.outgoing.filter((status) => isAlarming(status, ALARM_AFTER_MS)).map(({ queue }) => queue));
    afterQueue = page.outgoing.at(-1)?.queue;
    if (page.isLast || afterQueue === undefined) break;
  }
  const all = count === 0 ? 'nothing was sent to other machines' : `${countOf(count, 'queue')}, messages get away`;
  if (stuck.length === 0) tell({ step: 'outgoing', outcome: 'ok', text: all });
  else {
    const named = stuck.slice(0, NAMED_MAX).join(', ') + (stuck.length > NAMED_MAX ? ', …' : '');
    const text = `messages do not get away in ${countOf(stuck.length, 'queue')}: ${named}`;
    tell({
      step: 'outgoing',
      outcome: 'failed',
      text,
      mend: "'posthorn outgoing' says why, 'posthorn ping MACHINE' where.",
    });
  }
}

const NAMED_MAX = 5;

async function examineTransactions(
  { io }: VerbContext,
  operations: Operations,
  tell: (finding: Finding) => void,
): Promise<void> {
  const counts = new Map<TransactionView['state'], number>();
  const alarming: string[] = [];
  let oldestMs: number | undefined;
  for await (const page of transactionPages(operations, {})) {
    for (const resource of page.resources) {
      // Whoever asks wants to know of one that is away just now, too.
      const isAway = resource.state === 'unavailable';
      if (isAway || isResourceAlarming(resource, ALARM_AFTER_MS, io.clock.wallNowMs()))
        alarming.push(`${resource.name} is ${resource.state}`);
    }
    for (const transaction of page.transactions) {
      const { state, ageMs } = transaction;
      counts.set(state, (counts.get(state) ?? 0) + 1);
      if (ageMs !== undefined && state !== 'foreign') oldestMs = Math.max(oldestMs ?? 0, ageMs);
      if (isTransactionAlarming(transaction, ALARM_AFTER_MS))
        alarming.push(`${transaction.id} is ${STATE_WORDS[state]}`);
    }
  }
  const words = [...counts].map(([state, count]) => `${count} ${STATE_WORDS[state]}`);
  const oldest = oldestMs === undefined ? '' : `, the oldest for ${formatSpan(oldestMs)}`;
  const text = words.length === 0 ? 'none over databases is open' : `${words.join(', ')}${oldest}`;
  if (alarming.length === 0) return tell({ step: 'transactions', outcome: 'ok', text });
  const rest = alarming.length > NAMED_MAX ? `, and ${alarming.length - NAMED_MAX} more` : '';
  tell({
    step: 'transactions',
    outcome: 'failed',
    text: `${text}: ${alarming.slice(0, NAMED_MAX).join(', ')}${rest}`,
    mend: "'posthorn transactions list' says why and what to do.",
  });
}

/** As the alarms of `outgoing` and `transactions list`, when nothing else is asked for. */
const ALARM_AFTER_MS = 60_000;

async function examineKeys({ io }: VerbContext, directory: string, tell: (finding: Finding) => void): Promise<void> {
  const described = await describeKeys(directory, io.clock.wallNowMs());
  if (described.length === 0) {
    return tell({
      step: 'keys',
      outcome: 'skipped',
      text: `none in ${directory}: without TLS only loopback is talked to`,
    });
  }
  const problems = described.flatMap((one) => one.problems.map((problem) => `${one.names.join(', ')}: ${problem}`));
  const [days] = described.map(({ daysLeft }) => daysLeft).toSorted((one, other) => one - other);
  if (problems.length === 0)
    tell({ step: 'keys', outcome: 'ok', text: `certificates are valid for ${countOf(days ?? 0, 'day')} and longer` });
  else tell({ step: 'keys', outcome: 'failed', text: problems.join('; '), mend: "'posthorn keys show' tells more." });
}
