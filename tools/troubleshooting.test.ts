import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { RESOURCE_WORDS, STATE_WORDS } from '../src/cli/transaction-words.ts';
import type { AcknowledgementClass } from '../src/queues/acknowledgements.ts';
import type { ListenerStatus } from '../src/transfer/incoming-status.ts';
import type { OutgoingState } from '../src/transfer/outgoing-status.ts';
import { REASON_WORDS } from '../src/transfer/reason-words.ts';
import { REASONS, type Reason } from '../src/transfer/reasons.ts';
import type { ReconcileEvent } from '../src/transfer/streams/reconcile.ts';
import type { MessageRefusalCode, RefusalCode } from '../src/transfer/wire/frames.ts';
import { REPOSITORY } from './repository-files.ts';

// The compiler holds that each of these names every member of its type, and nothing else.
const STATES: Record<OutgoingState | 'NOT_RUNNING', true> = {
  CONNECTED: true,
  IDLE: true,
  RESOLVING: true,
  CONNECTING: true,
  WAITING: true,
  REFUSED: true,
  PAUSED_BY_PEER: true,
  ON_HOLD: true,
  SHUTTING_DOWN: true,
  NOT_RUNNING: true,
};
const LISTENER_STATES: Record<ListenerStatus['state'], true> = {
  LISTENING: true,
  LISTENER_REBINDING: true,
  LISTENER_DEAF: true,
  NAME_POINTS_ELSEWHERE: true,
};
const REFUSALS: Record<RefusalCode, true> = {
  WRONG_HOST: true,
  WRONG_CERTIFICATE: true,
  VERSION: true,
  DUPLICATE_STORE: true,
  TOO_MANY_CONNECTIONS: true,
  MALFORMED: true,
  HANDSHAKE_TIMEOUT: true,
  SHUTTING_DOWN: true,
};
const DEAD_LETTERS: Record<MessageRefusalCode | Extract<AcknowledgementClass, `NACK_${string}TIMEOUT${string}`>, true> =
  {
    NACK_BAD_DST_Q: true,
    NACK_ACCESS_DENIED: true,
    NACK_TOO_LARGE: true,
    NACK_BAD_HEADERS: true,
    NACK_RECEIVE_TIMEOUT_AT_SENDER: true,
    NACK_REACH_QUEUE_TIMEOUT: true,
    NACK_RECEIVE_TIMEOUT: true,
  };
const EVENTS: Record<ReconcileEvent, true> = {
  PEER_LOST_DATA: true,
  STREAM_REGRESSION: true,
  PEER_STORE_REPLACED: true,
};

describe('docs/troubleshooting.md', () => {
  const page = readFileSync(join(REPOSITORY, 'docs/troubleshooting.md'), 'utf8');

  const chapters: readonly (readonly [string, readonly string[]])[] = [
    ['States of an outgoing queue', Object.keys(STATES)],
    ['Reasons', REASONS],
    ['States of a listener', Object.keys(LISTENER_STATES)],
    ['Refused connections', Object.keys(REFUSALS)],
    ['Dead letters', Object.keys(DEAD_LETTERS)],
    ['Words in the log', Object.keys(EVENTS)],
  ];
  for (const [title, known] of chapters) {
    test(`has a row for everything that can be shown, and for nothing else: ${title}`, () => {
      const named = rowsOf(chapterOf(page, title)).map(([code = '']) => code);
      assert.deepEqual(named.toSorted(), [...known].toSorted());
    });
  }

  test('says what a reason is shown as in the words of the command', () => {
    for (const [reason = '', shown] of rowsOf(chapterOf(page, 'Reasons'))) {
      assert.equal(shown, REASON_WORDS[reason as Reason].short, reason);
    }
  });

  test('names for every refusal the reason that the sender shows', () => {
    for (const row of rowsOf(chapterOf(page, 'Refused connections'))) {
      const shown = row.at(-1)?.replaceAll('`', '') ?? '';
      assert.ok(
        REASONS.some((reason) => reason === shown),
        `${row[0]}: '${shown}'`,
      );
    }
  });
});

describe('states of transactions and databases', () => {
  const page = (name: string): string => readFileSync(join(REPOSITORY, 'docs', name), 'utf8');
  const words = [STATE_WORDS, RESOURCE_WORDS].flatMap((table) =>
    Object.entries(table).map(([state, word]) => [state, word]),
  );

  test('have a row each in docs/troubleshooting.md, with the words of the command, and nothing else has', () => {
    const rows = stateRows(chapterOf(page('troubleshooting.md'), 'Transactions that do not end'));
    assert.deepEqual(
      rows.map(([state = '', word = '']) => `${state}: ${word}`).toSorted(),
      words.map(([state, word]) => `${state}: ${word}`).toSorted(),
    );
  });

  test('of transactions have a row each in docs/transactions.md', () => {
    const rows = stateRows(chapterOf(page('transactions.md'), 'Looking'));
    assert.deepEqual(rows.map(([state]) => state).toSorted(), Object.keys(STATE_WORDS).toSorted());
  });
});

/** The rows of all tables whose first cell is a state in the words of `--state`. */
function stateRows(chapter: string): string[][] {
  return tableRows(chapter, /^\| `[a-z][A-Za-z]*` \|/);
}

function chapterOf(page: string, title: string): string {
  const [, text] = page.split(`\n## ${title}\n`);
  assert.ok(text !== undefined, `there is no chapter '${title}'`);
  return text.split('\n## ')[0] ?? '';
}

/** The rows of all tables whose first cell is a code. */
function rowsOf(chapter: string): string[][] {
  return tableRows(chapter, /^\| `[A-Z_]+` \|/);
}

function tableRows(chapter: string, begin: RegExp): string[][] {
  return chapter
    .split('\n')
    .filter((line) => begin.test(line))
    .map((line) => {
      const [code = '', ...cells] = line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim());
      return [code.replaceAll('`', ''), ...cells];
    });
}
