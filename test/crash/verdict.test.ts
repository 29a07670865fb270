import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseLedger } from './ledger.ts';
import { type Contents, isFaultless, judge } from './verdict.ts';

const contentsOf = (queues: Record<string, string[]>): Contents => new Map(Object.entries(queues));

/** A ledger in which these were sent and answered. */
function accepted(...ids: string[]) {
  return parseLedger(ids.map((id) => `intent ${id}\naccepted ${id}\n`).join(''));
}

describe('the verdict of the crash test', () => {
  test('messages that are each where they must be, once, are faultless', () => {
    const verdict = judge(
      accepted('a-1-plain', 'a-2-hopeless', 'a-3-expiring', 'a-4-loose', 'a-5-scrap', 'a-6-fails-once'),
      contentsOf({
        done: ['a-1-plain', 'a-6-fails-once'],
        receipt: ['a-6-fails-once', 'a-1-plain'],
        error: ['a-2-hopeless'],
        'dead-letter': ['a-3-expiring'],
        'loose-done': ['a-4-loose'],
        scrap: ['a-5-scrap'],
      }),
    );
    assert.equal(isFaultless(verdict), true, JSON.stringify(verdict));
    assert.deepEqual([verdict.accepted, verdict.handled, verdict.sent, verdict.failed], [6, 3, 5, 1]);
  });

  test('an accepted message that is nowhere is lost; one that was never answered may be there or not', () => {
    const ledger = parseLedger('intent a-1-plain\naccepted a-1-plain\nintent a-2-plain\nintent a-3-plain\n');
    const verdict = judge(ledger, contentsOf({ done: ['a-3-plain'], receipt: ['a-3-plain'] }));
    assert.deepEqual(verdict.lost, ['a-1-plain']);
    assert.equal(verdict.unansweredButThere, 1);
  });

  test('an effect that is there twice is doubled, answered or not', () => {
    const ledger = parseLedger('intent a-1-plain\naccepted a-1-plain\nintent a-2-plain\n');
    const twice = ['a-1-plain', 'a-1-plain', 'a-2-plain', 'a-2-plain'];
    assert.equal(judge(ledger, contentsOf({ done: twice, receipt: twice })).doubled.length, 2);
  });

  test('in mode receiveOnly a repeated effect is allowed, and counted', () => {
    const verdict = judge(accepted('a-1-loose'), contentsOf({ 'loose-done': ['a-1-loose', 'a-1-loose'] }));
    assert.equal(isFaultless(verdict), true);
    assert.equal(verdict.repeatedInReceiveOnly, 1);
  });

  test('one of two messages of a unit alone is half a unit', () => {
    assert.equal(judge(accepted('a-1-plain'), contentsOf({ done: ['a-1-plain'] })).halfUnits.length, 1);
    assert.equal(judge(accepted('a-1-plain'), contentsOf({ receipt: ['a-1-plain'] })).halfUnits.length, 1);
  });

  test('a message that is left in a queue on its way, or was never sent, is misplaced', () => {
    const both = { done: ['a-1-plain'], receipt: ['a-1-plain'] };
    assert.equal(judge(accepted('a-1-plain'), contentsOf({ ...both, second: ['a-1-plain'] })).misplaced.length, 1);
    assert.equal(judge(accepted(), contentsOf(both)).misplaced.length, 1);
  });

  test('a purge takes what was there before it, may take what was sent during it, and leaves what came later', () => {
    const ledger = parseLedger(
      'life 1\nintent a-1-scrap\naccepted a-1-scrap\npurging 1\nintent a-2-scrap\naccepted a-2-scrap\npurged 1\n' +
        'intent a-3-scrap\naccepted a-3-scrap\n',
    );
    assert.deepEqual(judge(ledger, contentsOf({})).lost, ['a-3-scrap']);
    assert.equal(isFaultless(judge(ledger, contentsOf({ scrap: ['a-2-scrap', 'a-3-scrap'] }))), true);
    assert.equal(judge(ledger, contentsOf({ scrap: ['a-1-scrap', 'a-3-scrap'] })).misplaced.length, 1);
  });

  test('a purge that died took some or nothing, and ended with its process', () => {
    const ledger = parseLedger(
      'life 1\nintent a-1-scrap\naccepted a-1-scrap\npurging 1\nlife 2\nintent b-1-scrap\naccepted b-1-scrap\n',
    );
    assert.deepEqual(judge(ledger, contentsOf({})).lost, ['b-1-scrap']);
    assert.equal(isFaultless(judge(ledger, contentsOf({ scrap: ['a-1-scrap', 'b-1-scrap'] }))), true);
  });
});
