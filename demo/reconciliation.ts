import { QueueManager } from 'posthorn';
import { DONE_QUEUE } from './contracts.ts';
import { count } from './screen.ts';

/** Where the webhooks of one endpoint are, by their ids. */
export interface Account {
  readonly endpoint: 'ledger' | 'notify';
  readonly accepted: number;
  readonly handled: number;
  /** In the error queue. */
  readonly failed: number;
  /** In a queue on the way, delayed ones included. */
  readonly waiting: number;
  /** Accepted, and nowhere. */
  readonly lost: readonly string[];
  /** Handled more than once, or handled and somewhere else as well. */
  readonly doubled: readonly string[];
  /** Found, though nobody accepted it. */
  readonly unknown: readonly string[];
}

/**
 * Reads every message of the directories, which nobody may be running on, and says of each accepted webhook where it is.
 *
 * Handled is what `ledger` and `notify` say in the `done` queue: they say it in the transaction that takes the message
 * away, so it is said once or not at all.
 */
export async function reconcile(
  directories: readonly string[],
  accepted: ReadonlySet<string>,
): Promise<readonly Account[]> {
  const found = { ledger: new Places(), notify: new Places() };
  for (const directory of directories) await noteAll(directory, found);
  return (['ledger', 'notify'] as const).map((endpoint) => accountOf(endpoint, found[endpoint], accepted));
}

/** True when every accepted webhook is handled, failed or waiting, in one place each. */
export function isConsistent({ accepted, handled, failed, waiting, lost, doubled, unknown }: Account): boolean {
  const isComplete = accepted === handled + failed + waiting;
  return isComplete && lost.length === 0 && doubled.length === 0 && unknown.length === 0;
}

export function describeAccounts(accounts: readonly Account[]): string {
  const lines = ['endpoint   accepted  =  handled  +  failed  +  waiting     lost  double'];
  for (const { endpoint, accepted, handled, failed, waiting, lost, doubled, unknown } of accounts) {
    const numbers = [accepted, handled, failed, waiting, lost.length, doubled.length + unknown.length];
    lines.push(endpoint + numbers.map((each, column) => count(each).padStart(WIDTHS[column] ?? 0)).join(''));
  }
  return lines.join('\n');
}

/** Of the columns behind the endpoint's name; `ledger` and `notify` have six letters both. */
const WIDTHS = [13, 12, 11, 12, 9, 8];

/** The places in which webhooks were found, by webhook id. */
class Places {
  readonly handled = new Map<string, number>();
  readonly failed = new Set<string>();
  readonly waiting = new Set<string>();
}

type Found = { readonly ledger: Places; readonly notify: Places };

async function noteAll(directory: string, found: Found): Promise<void> {
  await using manager = await QueueManager.open({ directory, network: false });
  for (const { queue } of [...manager.status(), ...manager.outgoingStatus()]) {
    for (const kind of ['queue', 'delayed'] as const) {
      for await (const { headers, body } of messagesOf(manager, queue, kind)) note(found, queue, headers, body);
    }
  }
}

function note(
  found: Found,
  queue: string,
  headers: Readonly<Record<string, string>> | undefined,
  body: Uint8Array | undefined,
): void {
  const content = JSON.parse(Buffer.from(body ?? []).toString()) as { webhookId?: string; by?: 'ledger' | 'notify' };
  // A webhook's own message is named by its id; the messages that follow from it carry the id in their bodies.
  const webhookId = content.webhookId ?? headers?.['NServiceBus.MessageId'] ?? '';
  if (queue === DONE_QUEUE && content.by !== undefined) {
    const { handled } = found[content.by];
    handled.set(webhookId, (handled.get(webhookId) ?? 0) + 1);
    return;
  }
  const place = queue === 'error' ? 'failed' : 'waiting';
  // `ledger@beta` is the queue on alpha of what is on its way to beta's `ledger`.
  const [meant] = (queue === 'error' ? (headers?.['NServiceBus.FailedQ'] ?? '') : queue).split('@');
  // What has not left `intake` is still to come for both.
  if (meant === 'intake' || meant === 'ledger') found.ledger[place].add(webhookId);
  if (meant === 'intake' || meant === 'notify') found.notify[place].add(webhookId);
}

async function* messagesOf(manager: QueueManager, queue: string, kind: 'queue' | 'delayed') {
  let afterPosition: number | undefined;
  for (let isLast = false; !isLast; ) {
    const range = { queue, kind, countMax: 500, withBodies: true };
    const page = await manager.browse(afterPosition === undefined ? range : { ...range, afterPosition });
    yield* page.messages;
    afterPosition = page.lastPosition;
    isLast = page.isLast;
  }
}

function accountOf(endpoint: 'ledger' | 'notify', places: Places, accepted: ReadonlySet<string>): Account {
  const { handled, failed, waiting } = places;
  const everywhere = new Set([...handled.keys(), ...failed, ...waiting]);
  const isDoubled = (id: string): boolean =>
    (handled.get(id) ?? 0) + Number(failed.has(id)) + Number(waiting.has(id)) > 1;
  return {
    endpoint,
    accepted: accepted.size,
    handled: handled.size,
    failed: failed.size,
    waiting: waiting.size,
    lost: [...accepted].filter((id) => !everywhere.has(id)),
    doubled: [...everywhere].filter(isDoubled),
    unknown: [...everywhere].filter((id) => !accepted.has(id)),
  };
}
