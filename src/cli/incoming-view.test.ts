import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { IncomingDescription } from '../operations/operations.ts';
import { formatIncoming, incomingChanges, incomingJson, isDeaf } from './incoming-view.ts';
import type { Terminal } from './terminal.ts';

const NOW_MS = Date.UTC(2026, 2, 1, 12);

const LISTENING: IncomingDescription = {
  machine: 'alpha',
  isRunning: true,
  listeners: [
    {
      address: '::',
      port: 1801,
      state: 'LISTENING',
      text: '',
      reachableAt: ['10.0.0.1', 'fd00::1'],
      sinceMs: NOW_MS - 7_200_000,
      isEncrypted: true,
    },
  ],
  links: [
    {
      machine: 'beta',
      remoteAddress: '10.0.0.2',
      remotePort: 51_234,
      localAddress: '10.0.0.1',
      isEncrypted: true,
      sinceMs: NOW_MS - 60_000,
      heardAgoMs: 300,
      streams: [
        { queue: 'orders', last: 900, received: 700 },
        { queue: 'audit', last: 500, received: 500 },
      ],
    },
  ],
  refusals: [
    {
      atMs: NOW_MS - 12_000,
      remoteAddress: '10.0.0.9',
      claimedMachine: 'gamma',
      code: 'WRONG_HOST',
      text: "gamma at 10.0.0.9 wants 'delta', and this is alpha: it was refused before it could send anything.",
    },
  ],
  refusedCount: 3,
};

describe('what comes in', () => {
  test('is shown with addresses and since when, with links, and with refusals that can be read whole', () => {
    assert.deepEqual(linesAt(80, LISTENING), [
      'alpha listens',
      'ADDRESS  PORT  STATE      TLS  SINCE  ANSWERS AT',
      '::       1801  LISTENING  yes     2h  10.0.0.1, fd00::1',
      '',
      'Connected to it',
      'MACHINE  FROM            TO        TLS  SINCE  HEARD  QUEUES         RECEIVED',
      'beta     10.0.0.2:51234  10.0.0.1  yes     1m    now  orders, audit     1,200',
      '',
      'Refused: 3 connections since the queue manager started',
      '12s ago, 10.0.0.9, says it is gamma: WRONG_HOST',
      "    gamma at 10.0.0.9 wants 'delta', and this is alpha: it was refused before it",
      '    could send anything.',
    ]);
    assert.equal(isDeaf(LISTENING), false);
  });

  test('says why a listener does not listen, and that is something wrong', () => {
    const [listener] = LISTENING.listeners;
    assert.ok(listener !== undefined);
    for (const state of ['LISTENER_REBINDING', 'LISTENER_DEAF', 'NAME_POINTS_ELSEWHERE'] as const) {
      const status: IncomingDescription = {
        ...LISTENING,
        listeners: [{ ...listener, state, text: `It is ${state}.`, sinceMs: undefined }],
      };
      assert.ok(linesAt(80, status).includes(`It is ${state}.`));
      assert.equal(isDeaf(status), true);
    }
  });

  test('says how to listen when nobody can connect, which is not wrong by itself', () => {
    const status = { ...LISTENING, listeners: [], links: [], refusals: [], refusedCount: 0 };
    assert.match(linesAt(120, status).join(' '), /'listen' is not set/);
    assert.equal(isDeaf(status), false);
    assert.equal(isDeaf({ ...status, isRunning: false }), true);
  });

  test('stays within 80 and 120 columns, and is harmless, whatever others say they are', () => {
    const [link] = LISTENING.links;
    const [refusal] = LISTENING.refusals;
    assert.ok(link !== undefined && refusal !== undefined);
    const machine = `${'x'.repeat(100)}\u001b[2J`;
    const status = {
      ...LISTENING,
      links: [{ ...link, machine, remoteAddress: '2001:db8:1234:5678:9abc:def0:1234:5678' }],
      refusals: [{ ...refusal, claimedMachine: machine, text: 'y'.repeat(300) }],
    };
    for (const columns of [80, 120]) {
      for (const line of linesAt(columns, status)) {
        assert.ok(line.length <= columns, `${line.length}: ${line}`);
        assert.ok(!line.includes('\u001b'));
      }
    }
  });

  test('is one JSON document with times in ISO 8601', () => {
    const { listeners, links, refusals } = JSON.parse(JSON.stringify(incomingJson(LISTENING)));
    assert.equal(listeners[0].since, '2026-03-01T10:00:00.000Z');
    assert.equal(links[0].since, '2026-03-01T11:59:00.000Z');
    assert.equal(refusals[0].at, '2026-03-01T11:59:48.000Z');
  });

  test('as a log has a line for each listener, machine and refusal, and one for a machine that goes', () => {
    const entries = incomingChanges(LISTENING, NOW_MS);
    assert.deepEqual(
      entries.map(({ line }) => line.slice('2026-03-01 12:00:00 UTC  '.length)),
      [
        'alpha: the queue manager runs',
        '[::]:1801  LISTENING',
        'beta is connected from 10.0.0.2:51234',
        `refused 10.0.0.9 (says it is gamma)  WRONG_HOST  ${LISTENING.refusals[0]?.text}`,
      ],
    );
    assert.match(entries[2]?.gone?.line ?? '', /beta was connected from 10\.0\.0\.2:51234/);
    const later = incomingChanges(LISTENING, NOW_MS + 1000);
    assert.deepEqual(
      later.map(({ name, mark }) => [name, mark]),
      entries.map(({ name, mark }) => [name, mark]),
    );
  });
});

function linesAt(columns: number, status: IncomingDescription): string[] {
  const plain = (text: string): string => text;
  // What a view needs of a terminal: its width, and letters.
  const terminal = { columns, bold: plain, dim: plain } as Partial<Terminal> as Terminal;
  return formatIncoming(terminal, status, NOW_MS).split('\n');
}
