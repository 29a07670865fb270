import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Header } from '../message/headers.ts';
import type { EncodedMessage, Operation } from '../store/store.ts';
import { MessageLog } from './message-log.ts';

const BILLING = 1;
const HELD = 2;

function setup(): { log: MessageLog; commit: (...operations: Operation[]) => void; idsTo: () => unknown } {
  const log = new MessageLog();
  const commit = (...operations: Operation[]): void => log.committed({ operations });
  commit(
    { kind: 'createPlace', place: BILLING, placeKind: 'queue', queue: 'billing' },
    { kind: 'createPlace', place: HELD, placeKind: 'held', queue: '' },
  );
  return { log, commit, idsTo: () => log.messages().map(({ messageId, to }) => [messageId, ...to]) };
}

function message(id: string): EncodedMessage {
  return { headers: JSON.stringify({ [Header.messageId]: id }), body: new Uint8Array(0) };
}

describe('the log of a test machine’s messages', () => {
  test('a held send is logged when it is released, as sent to its queue', () => {
    const { log, commit, idsTo } = setup();
    commit({ kind: 'put', place: HELD, position: 1, message: message('held') });
    commit({ kind: 'put', place: BILLING, position: 2, message: message('sent') });
    assert.deepEqual(idsTo(), [['sent', 'billing']]);
    const release: Operation = { kind: 'move', place: HELD, position: 1, toPlace: BILLING, toPosition: 3 };
    assert.deepEqual(log.removalsOf({ operations: [release] }), [], 'it leaves no queue');
    commit(release);
    assert.deepEqual(idsTo(), [
      ['sent', 'billing'],
      ['held', 'billing'],
    ]);
    const removal: Operation = { kind: 'remove', place: BILLING, position: 3 };
    assert.deepEqual(log.removalsOf({ operations: [removal] }), [{ queue: 'billing', messageId: 'held' }]);
  });

  test('a held send that is dropped was never sent', () => {
    const { commit, idsTo } = setup();
    commit({ kind: 'put', place: HELD, position: 1, message: message('held') });
    commit({ kind: 'remove', place: HELD, position: 1 });
    assert.deepEqual(idsTo(), []);
  });
});
