import { Endpoint, route } from 'posthorn';
import { type Author, BROKEN_EVENT, DONE_QUEUE, RecordWebhook, TellPeople, WebhookHandled } from './contracts.ts';
import { Ledger } from './ledger.ts';

/*
 * What `posthorn host` runs on the machine beta. Nothing in here knows about crashes, retries, duplicates or other
 * machines, but for one line in the ledger.
 */

const toDone = route(WebhookHandled, DONE_QUEUE);
/** Stands for a version of the program in which somebody mended the fault. */
const isRepaired = process.env.POSTHORN_DEMO_REPAIRED === 'yes';
const recoverability = { immediateRetries: 2, delayedRetries: 1, delayedRetryIncreaseMs: 1_500 };

const ledger = new Endpoint('ledger', { routes: [toDone], recoverability });
const book = new Ledger(process.env.POSTHORN_DEMO_LEDGER ?? 'ledger.db');

ledger.handle(RecordWebhook, async ({ webhookId, event, repository }, context) => {
  // The ledger is a second database: it commits here, and the message leaves its queue a moment later. A process that
  // is killed in between has written the entry and gets the message again; the entry's key makes that harmless. One
  // transaction over queues and databases is not in this version.
  book.record(webhookId, event, repository);
  await context.send(WebhookHandled, { webhookId, by: 'ledger' });
});

const notify = new Endpoint('notify', { routes: [toDone], recoverability, concurrency: 8 });

notify.handle(TellPeople, async ({ webhookId, event, author }, context) => {
  if (event === BROKEN_EVENT) addressOf(author as unknown as Author);
  await mailServer();
  await context.send(WebhookHandled, { webhookId, by: 'notify' });
});

export default [ledger, notify];

/** The fault: GitHub's webhooks carry no e-mail addresses, so this throws a TypeError. The repaired version uses the login. */
function addressOf(author: Author): string {
  if (isRepaired) return `${author.login}@users.example`;
  const [mailbox] = author.email.split('@');
  return `${mailbox}@users.example`;
}

/** Takes its time, and is out of order now and then. */
async function mailServer(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 20));
  if (Math.random() < 0.03) throw new Error('The mail server did not answer.');
}
