import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TRANSACTION_PREFIX } from '../../src/transactions/transaction-record.ts';
import { HeldStory } from '../support/held-story.ts';

describe('when a store with staged transactions was damaged', () => {
  test('a record that cannot be read is told and kept, and its sends stay held', async () => {
    await using story = await HeldStory.begin();
    const { id } = await story.stage({ sends: [story.message('billing', 'held')] });
    await setState(story, TRANSACTION_PREFIX + id, '{"id":');
    await story.restart();
    await story.restart();
    assert.deepEqual(
      codesOf(story.failures),
      ['TRANSACTION_RECORD_UNREADABLE', 'HELD_SENDS_WITHOUT_RECORD'].flatMap((code) => [code, code]).sort(),
    );
    assert.match(String(story.failures[0]), new RegExp(id.replaceAll('.', '\\.')));
    assert.deepEqual([story.side.found, await story.recordIds(), story.heldAtOpen], [[], [id], 1]);
    assert.deepEqual(await story.drain('billing'), []);
  });

  test('an input that is missing is told, and the rest of its transaction can be finished', async () => {
    await using story = await HeldStory.begin();
    await story.send('orders', 'staged');
    const { id, record } = await story.stage({ input: 'orders', sends: [story.message('billing', 'held')] });
    const [input, ...rest] = record.parts;
    assert.equal(input?.kind, 'input');
    const elsewhere = [{ ...input, position: 99 }, { ...input, queue: 'nowhere' }, ...rest];
    await setState(story, TRANSACTION_PREFIX + id, JSON.stringify({ ...record, parts: elsewhere }));
    await story.restart();
    assert.deepEqual(codesOf(story.failures), ['TRANSACTION_PART_MISSING', 'TRANSACTION_PART_MISSING']);
    await story.continue(id).apply(id);
    assert.deepEqual([await story.drain('billing'), await story.recordIds()], [['held'], []]);
  });

  test('a held send that is missing is told, and the rest of its transaction can be finished', async () => {
    for (const step of ['apply', 'discard'] as const) {
      await using story = await HeldStory.begin();
      const { id, record } = await story.stage({ sends: [story.message('billing', 'held')] });
      const [send] = record.sends;
      assert.ok(send);
      const sends = [{ ...send, position: send.position + 1000 }, send];
      await setState(story, TRANSACTION_PREFIX + id, JSON.stringify({ ...record, sends }));
      await story.restart();
      assert.deepEqual(codesOf(story.failures), ['TRANSACTION_PART_MISSING']);
      await (step === 'apply' ? story.continue(id).apply(id) : story.continue(id).discard(id, undefined));
      await story.restart();
      assert.deepEqual([await story.drain('billing'), story.heldAtOpen], [step === 'apply' ? ['held'] : [], 0]);
    }
  });
});

async function setState(story: HeldStory, key: string, value: string): Promise<void> {
  const work = story.manager.begin();
  story.manager.setState(work, key, value);
  await work.commit();
}

function codesOf(failures: readonly unknown[]): string[] {
  return failures.map((failure) => (failure as { code: string }).code).sort();
}
