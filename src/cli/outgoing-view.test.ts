import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { OutgoingDescription } from '../operations/operations.ts';
import { isAlarming } from './outgoing-alarm.ts';
import {
  formatOutgoing,
  formatOutgoingChange,
  formatOutgoingStory,
  outgoingJson,
  outgoingMark,
} from './outgoing-view.ts';
import type { Terminal } from './terminal.ts';

const NOW_MS = Date.UTC(2026, 2, 1, 12);

const WAITING: OutgoingDescription = {
  queue: 'billing@beta',
  machine: 'beta',
  state: 'WAITING',
  reason: 'CONNECT_REFUSED',
  why: 'nothing listens',
  mend: 'Start the queue manager of beta.',
  text: 'beta.internal is 10.20.30.40 (DNS 10.0.0.53): nothing listens on port 1801; next try in 12 s (attempt 7).',
  nextHop: { name: 'beta.internal', address: '10.20.30.40', port: 1801 },
  messages: 12_345,
  bytes: 35_651_584,
  delayed: 3,
  unacknowledged: 12,
  oldestAgeMs: 7_200_000,
  acknowledged: 5221,
  lastAcknowledgedAgoMs: 3000,
  epoch: 'e1',
  nextAttemptInMs: 12_400,
  attempt: 7,
  attempts: [
    {
      atMs: NOW_MS - 5000,
      name: 'beta.internal',
      address: '10.20.30.40',
      port: 1801,
      outcome: 'CONNECT_REFUSED',
      text: 'nothing listens on port 1801',
    },
  ],
  attemptCounts: { CONNECT_REFUSED: 6, CONNECTED: 1 },
};

describe('the list of outgoing queues', () => {
  test('says in one line what waits, why, and where it would go', () => {
    assert.deepEqual(formatOutgoing(terminalOf(undefined), [WAITING]).split('\n'), [
      'QUEUE         STATE    WHY              NEXT HOP          WAITING  UNACK  OLDEST  NEXT',
      'billing@beta  WAITING  nothing listens  10.20.30.40:1801   12,345     12      2h   12s',
    ]);
  });

  test('keeps the line within 80 and 120 columns whatever the state, the names and the addresses', () => {
    const states = ['CONNECTED', 'RESOLVING', 'REFUSED', 'PAUSED_BY_PEER', 'SHUTTING_DOWN', 'NOT_RUNNING'] as const;
    for (const columns of [80, 120]) {
      for (const state of states) {
        const status = {
          ...WAITING,
          queue: 'a-rather-long-queue.name@machine-of-a-customer.example',
          state,
          why: 'longest words of why',
          nextHop: { name: 'x', address: '2001:db8:1234:5678:9abc:def0:1234:5678', port: 18_010 },
        };
        for (const line of formatOutgoing(terminalOf(columns), [WAITING, status]).split('\n')) {
          assert.ok(line.length <= columns, `${line.length}: ${line}`);
        }
      }
    }
  });

  test('tells connected from connecting however little room there is', () => {
    const paused = { ...WAITING, state: 'PAUSED_BY_PEER', queue: 'a-rather-long-queue@machine' } as const;
    const states = ['CONNECTED', 'CONNECTING'] as const;
    const table = formatOutgoing(terminalOf(80), [paused, ...states.map((state) => ({ ...WAITING, state }))]);
    for (const state of states) assert.match(table, new RegExp(` ${state} `));
  });

  test('leaves the usual port out where there is little room', () => {
    assert.match(formatOutgoing(terminalOf(80), [WAITING]), / 10\.20\.30\.40 /);
    const unusual = { ...WAITING, nextHop: { name: 'beta', address: undefined, port: 1900 } };
    assert.match(formatOutgoing(terminalOf(80), [unusual]), / beta:1900 /);
  });
});

describe('the whole story of an outgoing queue', () => {
  test('tells the state with its reason, the sentence, the mend, the next hop, the counts and the last attempts', () => {
    assert.deepEqual(formatOutgoingStory(terminalOf(80), WAITING, NOW_MS).split('\n'), [
      'Queue         billing@beta',
      'State         WAITING, CONNECT_REFUSED',
      'Now           beta.internal is 10.20.30.40 (DNS 10.0.0.53): nothing listens on',
      '              port 1801; next try in 12 s (attempt 7).',
      'What to do    Start the queue manager of beta.',
      'Next hop      beta.internal, 10.20.30.40, port 1801',
      'Messages      12,345 (34 MiB), 12 of them sent, and not known to have arrived, 3',
      '              delayed',
      'Oldest        2h',
      'Arrived       5,221 messages since the queue manager started, the last one 3s',
      '              ago',
      'Next attempt  in 12s, number 7',
      'Attempts      6 CONNECT_REFUSED, 1 CONNECTED',
      'Epoch         e1',
      '',
      'Last attempts',
      '  WHEN  WHERE             OUTCOME          WHAT',
      '5s ago  10.20.30.40:1801  CONNECT_REFUSED  nothing listens on port 1801',
    ]);
  });

  test('leaves out what there is nothing of', () => {
    const idle: OutgoingDescription = {
      ...WAITING,
      state: 'IDLE',
      reason: 'NOTHING_TO_SEND',
      mend: undefined,
      text: 'Nothing to send; no link.',
      messages: 0,
      bytes: 0,
      delayed: 0,
      unacknowledged: 0,
      oldestAgeMs: undefined,
      acknowledged: 0,
      lastAcknowledgedAgoMs: undefined,
      epoch: undefined,
      nextAttemptInMs: undefined,
      attempts: [],
      attemptCounts: {},
    };
    const names = formatOutgoingStory(terminalOf(undefined), idle, NOW_MS)
      .split('\n')
      .map((line) => line.split('  ')[0]);
    assert.deepEqual(names, ['Queue', 'State', 'Now', 'Next hop', 'Messages']);
  });

  test('shows text of other machines harmless', () => {
    const forged = { ...WAITING, text: 'fine\u001b[2J\nFAKE' };
    assert.ok(!formatOutgoingStory(terminalOf(80), forged, NOW_MS).includes('\u001b'));
    const line = formatOutgoingChange(forged, NOW_MS);
    assert.ok(!line.includes('\u001b') && !line.includes('\n'));
  });

  test('is one JSON document with times in ISO 8601', () => {
    const { attempts, state, nextHop } = JSON.parse(JSON.stringify(outgoingJson(WAITING)));
    assert.equal(attempts[0].at, '2026-03-01T11:59:55.000Z');
    assert.equal('atMs' in attempts[0], false);
    assert.deepEqual([state, nextHop.address], ['WAITING', '10.20.30.40']);
  });
});

describe('a log of changes', () => {
  test('has a line for a new state, reason, address or attempt, and none for counts and ages that go on', () => {
    const same = { ...WAITING, messages: 12_346, oldestAgeMs: 7_201_000, nextAttemptInMs: 11_400, text: 'later' };
    assert.equal(outgoingMark(same), outgoingMark(WAITING));
    const changes: readonly Partial<OutgoingDescription>[] = [
      { state: 'CONNECTED' },
      { reason: 'CONNECT_TIMEOUT' },
      { nextHop: { ...WAITING.nextHop, address: '10.20.30.41' } },
      { attempt: 8 },
      { messages: 0 },
    ];
    for (const change of changes) assert.notEqual(outgoingMark({ ...WAITING, ...change }), outgoingMark(WAITING));
  });
});

describe('the alarm', () => {
  const cases: readonly (readonly [string, Partial<OutgoingDescription>, boolean])[] = [
    ['messages that wait for longer than the limit', { oldestAgeMs: 60_001 }, true],
    ['messages that wait for less', { oldestAgeMs: 60_000 }, false],
    ['an empty queue', { messages: 0, state: 'REFUSED' }, false],
    ['a refusal, at once', { state: 'REFUSED', oldestAgeMs: 0 }, true],
    ['a hold by an operator', { state: 'ON_HOLD', reason: 'OPERATOR' }, false],
    ['a stream that needs a decision', { state: 'ON_HOLD', reason: 'RESYNC_NEEDED', oldestAgeMs: 0 }, true],
    ['a queue manager that does not run', { state: 'NOT_RUNNING', reason: undefined }, true],
    ['a backlog that moves', { state: 'CONNECTED', reason: undefined, lastAcknowledgedAgoMs: 100 }, false],
    ['a link over which nothing is acknowledged', { state: 'CONNECTED', lastAcknowledgedAgoMs: 60_001 }, true],
    ['a link over which nothing ever was', { state: 'CONNECTED', lastAcknowledgedAgoMs: undefined }, true],
    ['a peer that pauses for longer than the limit', { state: 'PAUSED_BY_PEER', reason: 'QUEUE_FULL' }, true],
  ];
  for (const [what, change, rings] of cases) {
    test(`${rings ? 'rings' : 'does not ring'} for ${what}`, () => {
      assert.equal(isAlarming({ ...WAITING, ...change }, 60_000), rings);
    });
  }
});

function terminalOf(columns: number | undefined): Terminal {
  const plain = (text: string): string => text;
  // What a view needs of a terminal: its width, and letters.
  return { columns, bold: plain, dim: plain } as Partial<Terminal> as Terminal;
}
