import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Turns } from './turns.ts';

describe('turns', () => {
  test('let in as many as there are, and the others in the order in which they asked', async () => {
    const turns = new Turns(2);
    const came: string[] = [];
    const take = (who: string): Promise<void> => turns.take().then(() => void came.push(who));
    await Promise.all([take('a'), take('b')]);
    const waiting = [take('c'), take('d')];
    await Promise.resolve();
    assert.deepEqual(came, ['a', 'b']);
    turns.give();
    await waiting[0];
    assert.deepEqual(came, ['a', 'b', 'c']);
    turns.give();
    await waiting[1];
    turns.give();
    turns.give();
    await Promise.all([take('e'), take('f')]);
    assert.deepEqual(came, ['a', 'b', 'c', 'd', 'e', 'f']);
  });

  test('those who wait can be refused; who was let in keeps his turn', async () => {
    const turns = new Turns(1);
    await turns.take();
    const waiting = turns.take();
    const reason = new Error('closing');
    turns.refuse(reason);
    await assert.rejects(waiting, reason);
    turns.give();
    await turns.take();
  });
});
