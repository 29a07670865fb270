import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Sent } from '../pipeline/handler-context.ts';
import { PUBLISH, SEND } from '../pipeline/outgoing-pipeline.ts';
import { WaitingSends } from './waiting-sends.ts';

/** A way to the disk that the test opens and closes; sends are noted and answer with their body as id. */
function setup() {
  const sent: unknown[] = [];
  let gate: PromiseWithResolvers<void> | undefined;
  const sends = new WaitingSends(
    () => gate?.promise,
    async (_verb, _type, body, options): Promise<Sent> => {
      options?.signal?.throwIfAborted();
      sent.push(body);
      if (body === 'bad') throw new RangeError('bad body');
      return { messageId: String(body) };
    },
  );
  return {
    sent,
    send: (body: unknown, options?: { signal: AbortSignal }) => sends.send(SEND, 'Order', body, options),
    publish: (body: unknown) => sends.send(PUBLISH, 'News', body, undefined),
    close: () => {
      gate = Promise.withResolvers<void>();
    },
    open: () => {
      gate?.resolve();
      gate = undefined;
    },
  };
}

describe('waiting sends', () => {
  test('with room and nobody waiting, a send goes at once', async () => {
    const { sent, send } = setup();
    const answer = send(1);
    assert.deepEqual(sent, [1]);
    assert.deepEqual(await answer, { messageId: '1' });
  });

  test('without room they wait, then go in the order of their calls, of whatever type, each with its own answer', async () => {
    const { sent, send, publish, close, open } = setup();
    close();
    const answers = [send(1), send(2), publish(3), send(4), publish(5)];
    assert.deepEqual(sent, []);
    open();
    assert.deepEqual(
      await Promise.all(answers),
      ['1', '2', '3', '4', '5'].map((messageId) => ({ messageId })),
    );
    assert.deepEqual(sent, [1, 2, 3, 4, 5]);
  });

  test('a newcomer does not overtake those whose gate has just opened', async () => {
    const { sent, send, close, open } = setup();
    close();
    const first = [send(1), send(2)];
    open();
    const later = send(3); // the reactions of the gate have not run yet
    await Promise.all([...first, later]);
    assert.deepEqual(sent, [1, 2, 3]);
    send(4);
    assert.deepEqual(sent, [1, 2, 3, 4]);
  });

  test('gates that open one after the other let their own in', async () => {
    const { sent, send, close, open } = setup();
    close();
    const first = Array.from({ length: 1000 }, (_, index) => send(index));
    open();
    await Promise.all(first);
    close();
    const second = Array.from({ length: 1000 }, (_, index) => send(1000 + index));
    assert.equal(sent.length, 1000);
    open();
    await Promise.all(second);
    assert.deepEqual(
      sent,
      Array.from({ length: 2000 }, (_, index) => index),
    );
  });

  test('one that fails rejects alone', async () => {
    const { send, close, open } = setup();
    close();
    const answers = [send(1), send('bad'), send(3)];
    open();
    const settled = await Promise.allSettled(answers);
    assert.deepEqual(
      settled.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
  });

  test('a signal gives up a send while it waits, at once, and the others go on', async () => {
    const { sent, send, close, open } = setup();
    const abort = new AbortController();
    close();
    const before = send(1);
    const given = send(2, { signal: abort.signal });
    const after = send(3);
    abort.abort(new Error('never mind'));
    await assert.rejects(given, /never mind/);
    open();
    await Promise.all([before, after]);
    assert.deepEqual(sent, [1, 3]);
  });

  test('a signal that is aborted when the send was handed over changes nothing', async () => {
    const { send, close, open } = setup();
    const abort = new AbortController();
    close();
    const answer = send(1, { signal: abort.signal });
    open();
    await Promise.resolve();
    await Promise.resolve();
    abort.abort(new Error('too late'));
    assert.deepEqual(await answer, { messageId: '1' });
  });
});
