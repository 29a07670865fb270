import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Endpoint, QueueManager } from 'posthorn';
import { RecordWebhook, TellPeople, WebhookHandled } from './contracts.ts';
import { type Account, isConsistent, reconcile } from './reconciliation.ts';

/** A directory in which `tell` has put messages, and what the reconciliation says of it. */
async function reconciled(
  accepted: readonly string[],
  tell: (sender: Endpoint, manager: QueueManager) => Promise<void>,
): Promise<{ ledger: Account; notify: Account }> {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-reconciliation-'));
  try {
    {
      await using manager = await QueueManager.open({ directory });
      await using sender = new Endpoint('sender', { queueManager: manager, sendOnly: true });
      await sender.start();
      await tell(sender, manager);
    }
    const [ledger, notify] = await reconcile([directory], new Set(accepted));
    assert.ok(ledger !== undefined && notify !== undefined);
    return { ledger, notify };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function handle(sender: Endpoint, by: 'ledger' | 'notify', webhookId: string): Promise<void> {
  await sender.send(WebhookHandled, { webhookId, by }, { to: 'done' });
}

/** Puts a message into the error queue, as recoverability does. */
async function fail(
  manager: QueueManager,
  queue: string,
  headers: Record<string, string>,
  body: object,
): Promise<void> {
  const failed = { ...headers, 'NServiceBus.FailedQ': `${queue}@${manager.machine}` };
  await manager.send([{ destination: { queue: 'error' }, headers: failed, body: Buffer.from(JSON.stringify(body)) }]);
}

describe('the count at the end of the demo', () => {
  test('is right when every webhook was handled once by both', async () => {
    const { ledger, notify } = await reconciled(['w1', 'w2'], async (sender) => {
      for (const id of ['w1', 'w2']) for (const by of ['ledger', 'notify'] as const) await handle(sender, by, id);
    });
    assert.deepEqual([ledger.handled, notify.handled], [2, 2]);
    assert.ok(isConsistent(ledger) && isConsistent(notify));
  });

  test('finds what waits, delayed or not yet routed, and what failed', async () => {
    const { ledger, notify } = await reconciled(['w1', 'w2', 'w3', 'w4'], async (sender, manager) => {
      const body = { event: 'push', repository: 'posthorn' };
      await sender.send('Webhooks.ReceiveWebhook', { event: 'push' }, { to: 'intake', messageId: 'w1' });
      await sender.send(RecordWebhook, { ...body, webhookId: 'w2' }, { to: 'ledger' });
      await sender.send(TellPeople, { ...body, webhookId: 'w2' }, { to: 'notify', delayMs: 60_000 });
      await handle(sender, 'ledger', 'w3');
      await fail(manager, 'notify', { 'NServiceBus.MessageId': 'another id' }, { ...body, webhookId: 'w3' });
      await fail(manager, 'intake', { 'NServiceBus.MessageId': 'w4' }, { event: 'push' });
    });
    assert.deepEqual([ledger.handled, ledger.failed, ledger.waiting], [1, 1, 2]);
    assert.deepEqual([notify.handled, notify.failed, notify.waiting], [0, 2, 2]);
    assert.ok(isConsistent(ledger) && isConsistent(notify));
  });

  test('is wrong when one was lost, for the endpoint that lost it', async () => {
    const { ledger, notify } = await reconciled(['w1', 'w2'], async (sender) => {
      for (const id of ['w1', 'w2']) await handle(sender, 'ledger', id);
      await handle(sender, 'notify', 'w1');
    });
    assert.ok(isConsistent(ledger));
    assert.deepEqual(notify.lost, ['w2']);
    assert.equal(isConsistent(notify), false);
  });

  test('is wrong when one was handled twice, or is still somewhere after it was handled', async () => {
    const { ledger, notify } = await reconciled(['w1'], async (sender) => {
      await handle(sender, 'ledger', 'w1');
      await handle(sender, 'ledger', 'w1');
      await handle(sender, 'notify', 'w1');
      const body = { webhookId: 'w1', event: 'push', repository: 'posthorn' };
      await sender.send(TellPeople, body, { to: 'notify' });
    });
    assert.deepEqual([ledger.doubled, notify.doubled], [['w1'], ['w1']]);
    assert.ok(!isConsistent(ledger) && !isConsistent(notify));
  });

  test('is wrong when something was handled that nobody accepted', async () => {
    const { ledger } = await reconciled([], (sender) => handle(sender, 'ledger', 'w1'));
    assert.deepEqual(ledger.unknown, ['w1']);
    assert.equal(isConsistent(ledger), false);
  });
});
