import { Endpoint, route } from 'posthorn';
import { BROKEN_EVENT, ReceiveWebhook, RecordWebhook, TellPeople } from './contracts.ts';

/** What `posthorn host` runs on the machine alpha: takes webhooks in and sends each on to two queues of beta. */
const intake = new Endpoint('intake', {
  routes: [route(RecordWebhook, 'ledger@beta'), route(TellPeople, 'notify@beta')],
});

intake.handle(ReceiveWebhook, async ({ event, payload }, context) => {
  const webhookId = context.messageId;
  const repository = textIn(payload.repository, 'full_name');
  const { author } = event === BROKEN_EVENT ? (payload.release as { author: Record<string, unknown> }) : {};
  // Both leave with the commit that takes the webhook out of the queue, or neither does.
  await context.send(RecordWebhook, { webhookId, event, repository });
  await context.send(TellPeople, { webhookId, event, repository, author });
});

export default intake;

function textIn(value: unknown, name: string): string {
  const text = (value as Record<string, unknown> | undefined)?.[name];
  return typeof text === 'string' ? text : '';
}
