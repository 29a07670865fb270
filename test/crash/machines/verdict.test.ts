import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseLedger } from '../ledger.ts';
import type { Found, MachineContents } from './contents.ts';
import { isFaultless, judge } from './verdict.ts';

/** `ID`, `ID because REASON`, or `ID again`, which is marked as a possible duplicate. */
function found(text: string): Found {
  const [id = '', , reason] = text.split(' ');
  return { id, reason, isPossibleDuplicate: text.endsWith(' again') };
}

function contentsOf(places: Record<string, string[]>): MachineContents {
  return new Map(Object.entries(places).map(([place, texts]) => [place, texts.map(found)]));
}

function judged(ids: string[], alpha: Record<string, string[]>, beta: Record<string, string[]>) {
  const ledger = parseLedger(ids.map((id) => `intent ${id}\naccepted ${id}\n`).join(''));
  return judge(ledger, { alpha: contentsOf(alpha), beta: contentsOf(beta) });
}

describe('the verdict of the crash test over two machines', () => {
  test('messages that are each where they must be, once and in order, are faultless', () => {
    const order = 'alpha.1-1-orders';
    const ask = 'beta.1-1-asks';
    const late = 'alpha.1-1-short';
    const refused = 'alpha.1-1-moody';
    const verdict = judged(
      [order, ask, late, refused, 'alpha.1-3-large', 'alpha.1-1-missing', 'alpha.1-1-renewed'],
      {
        done: [ask],
        'orders@beta (journal)': [order],
        'dead-letter': [
          `${late} because NACK_REACH_QUEUE_TIMEOUT`,
          `${refused} because NACK_ACCESS_DENIED`,
          'alpha.1-3-large because NACK_TOO_LARGE',
          'alpha.1-1-missing because NACK_BAD_DST_Q',
        ],
        receipts: [`${late} because NACK_REACH_QUEUE_TIMEOUT`, `${refused} because NACK_ACCESS_DENIED`],
      },
      { done: [order, 'alpha.1-1-renewed', 'alpha.1-1-renewed again'], answered: [ask] },
    );
    assert.equal(isFaultless(verdict), true, JSON.stringify(verdict));
    const { accepted, handled, deadLettered, repeatedAndMarked } = verdict;
    assert.deepEqual([accepted, handled, deadLettered, repeatedAndMarked], [7, 3, 4, 1]);
  });

  test('an accepted message that is nowhere is lost; one that was never answered may be there or not', () => {
    assert.deepEqual(judged(['alpha.1-1-urgent'], {}, {}).lost, ['alpha.1-1-urgent']);
    const ledger = parseLedger('intent alpha.1-1-urgent\nintent alpha.1-2-urgent\n');
    const verdict = judge(ledger, { alpha: contentsOf({}), beta: contentsOf({ done: ['alpha.1-2-urgent'] }) });
    assert.equal(isFaultless(verdict), true);
    assert.equal(verdict.unansweredButThere, 1);
  });

  test('one that arrived twice, or arrived and is a dead letter, is doubled; a mark excuses it on the forgotten stream alone', () => {
    const twice = (id: string, mark: string) => judged([id], {}, { done: [id, `${id}${mark}`] }).doubled.length;
    assert.equal(twice('alpha.1-1-later', ''), 1);
    assert.equal(twice('alpha.1-1-later', ' again'), 1);
    assert.equal(twice('alpha.1-1-renewed', ''), 1);
    assert.equal(twice('alpha.1-1-renewed', ' again'), 0);
    const id = 'alpha.1-1-moody';
    const receipts = [`${id} because ACK_REACH_QUEUE`];
    const both = judged([id], { 'dead-letter': [`${id} because NACK_ACCESS_DENIED`], receipts }, { done: [id] });
    assert.equal(both.doubled.length, 1);
  });

  test('an order without its journal copy, an effect without its answer, a wrong or missing receipt are half units', () => {
    const done = (id: string) => judged([id], {}, { done: [id] }).halfUnits.length;
    assert.equal(done('alpha.1-1-orders'), 1);
    assert.equal(done('alpha.1-1-asks'), 1);
    assert.equal(done('alpha.1-1-short'), 1);
    const id = 'alpha.1-1-short';
    const told = judged([id], { receipts: [`${id} because NACK_REACH_QUEUE_TIMEOUT`] }, { done: [id] });
    assert.equal(told.halfUnits.length, 1);
    assert.equal(judged([id], { receipts: [`${id} because ACK_REACH_QUEUE`] }, { done: [id] }).halfUnits.length, 0);
  });

  test('one behind another that was sent after it, in the same life or a later one, is out of order', () => {
    const inOrder = (...done: string[]) => judged(done, {}, { done }).outOfOrder.length === 0;
    assert.equal(inOrder('alpha.1-1-renewed', 'alpha.1-2-renewed', 'alpha.2-1-renewed'), true);
    assert.equal(inOrder('alpha.1-2-renewed', 'alpha.1-1-renewed'), false);
    assert.equal(inOrder('alpha.2-1-renewed', 'alpha.1-2-renewed'), false);
    assert.equal(inOrder('alpha.1-9-urgent', 'alpha.1-1-urgent'), false, 'both have priority 1');
    assert.equal(inOrder('alpha.1-2-urgent', 'alpha.1-1-urgent'), true, 'of two priorities');
    assert.equal(inOrder('alpha.1-2-later', 'alpha.1-1-later'), true, 'delayed, each for a time of its own');
  });

  test('a message at the wrong machine, left on its way, with a wrong reason, marked without need or never sent is misplaced', () => {
    const id = 'alpha.1-1-urgent';
    const misplaced = (alpha: Record<string, string[]>, beta: Record<string, string[]>, name = id) =>
      judged([name], alpha, beta).misplaced.length;
    assert.equal(misplaced({ done: [id] }, {}), 1);
    assert.equal(misplaced({ 'urgent@beta': [id] }, { done: [id] }), 1);
    assert.equal(misplaced({ 'dead-letter': [`${id} because NACK_BAD_DST_Q`] }, {}), 1);
    assert.equal(misplaced({}, { done: [`${id} again`] }), 1);
    assert.equal(misplaced({}, { done: [id, 'alpha.1-2-urgent'] }), 1);
    const refused = 'alpha.1-1-missing';
    assert.equal(misplaced({ 'dead-letter': [`${refused} because NACK_ACCESS_DENIED`] }, {}, refused), 1);
    assert.equal(misplaced({}, { done: ['alpha.1-3-large'] }, 'alpha.1-3-large'), 1, 'larger than beta takes');
  });
});
