import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Timers } from '../../io/io.ts';
import type { Link } from '../links/link.ts';
import { SharedLinkCredit } from './link-credit.ts';

function setup(bytesMax: number) {
  const turns: (() => void)[] = [];
  const timers: Timers = { after: () => ({ cancel: () => undefined }), soon: (action) => void turns.push(action) };
  const link = { isOpen: true, expectsAnswers: false };
  const credit = new SharedLinkCredit(link as Link, timers, bytesMax);
  const run = (): void => {
    for (let turn = turns.shift(); turn !== undefined; turn = turns.shift()) turn();
  };
  return { credit, link, run, turns };
}

test('streams take turns frame by frame', () => {
  const { credit, run } = setup(100);
  const sent: string[] = [];
  const sender = (name: string, frames: number) => (): boolean => {
    sent.push(name);
    return --frames > 0;
  };
  credit.schedule(sender('a', 3));
  credit.schedule(sender('b', 2));
  run();
  assert.deepEqual(sent, ['a', 'b', 'a', 'b', 'a']);
});

test('a stream without credit waits, and goes on when some is given back', () => {
  const { credit, run, turns } = setup(100);
  const taken: boolean[] = [];
  credit.schedule(() => {
    taken.push(credit.take(60));
    return taken.length < 3;
  });
  run();
  assert.deepEqual(taken, [true, false]);
  assert.equal(turns.length, 0);
  credit.give(60);
  run();
  assert.deepEqual(taken, [true, false, true]);
});

test('a message larger than all credit goes alone', () => {
  const { credit } = setup(100);
  assert.equal(credit.take(1000), true);
  assert.equal(credit.take(1), false);
});

test('the link expects answers while anything is on the way', () => {
  const { credit, link } = setup(100);
  credit.take(10);
  credit.take(20);
  credit.give(20);
  assert.equal(link.expectsAnswers, true);
  credit.give(10);
  assert.equal(link.expectsAnswers, false);
});
