import { defineCommand } from 'posthorn';
import * as z from 'zod';

/** A webhook as GitHub sent it. */
export const ReceiveWebhook = defineCommand(
  'Webhooks.ReceiveWebhook',
  z.object({ event: z.string(), payload: z.record(z.string(), z.unknown()) }),
);

export const RecordWebhook = defineCommand(
  'Ledger.RecordWebhook',
  z.object({ webhookId: z.string(), event: z.string(), repository: z.string() }),
);

export const TellPeople = defineCommand(
  'Notify.TellPeople',
  z.object({
    webhookId: z.string(),
    event: z.string(),
    repository: z.string(),
    author: z.record(z.string(), z.unknown()).optional(),
  }),
);

/** Says that an endpoint handled a webhook. Sent in the transaction of the handler, so it is there once or not at all. */
export const WebhookHandled = defineCommand(
  'Demo.WebhookHandled',
  z.object({ webhookId: z.string(), by: z.enum(['ledger', 'notify']) }),
);

export const DONE_QUEUE = 'done';
/** Handlers of `notify` fail for this kind of event until they are repaired. */
export const BROKEN_EVENT = 'release';

export interface Author {
  readonly login: string;
  readonly email: string;
}
