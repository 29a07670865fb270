import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Column, formatTable } from './table.ts';
import { harmless, type Terminal } from './terminal.ts';

const COLUMNS: readonly Column[] = [
  { title: 'ID', share: 1, widthMin: 8 },
  { title: 'COUNT', right: true },
  { title: 'WHERE', share: 1, cutsStart: true },
];
const ID = '4dcef812-5465-4710-8ca2-2c80923784ff';

function linesAt(columns: number | undefined, rows: readonly (readonly string[])[]): string[] {
  const terminal = { columns, bold: (text: string) => text } as Partial<Terminal>;
  // A table needs the width and bold letters only.
  return formatTable(terminal as Terminal, COLUMNS, rows).split('\n');
}

describe('table', () => {
  test('nothing is cut where the output is no terminal, and numbers stand at the right', () => {
    assert.deepEqual(linesAt(undefined, [[ID, '7', 'x'.repeat(200)]]), [
      `${'ID'.padEnd(38)}COUNT  WHERE`,
      `${ID}      7  ${'x'.repeat(200)}`,
    ]);
  });

  test('no line is wider than the terminal, whatever the text', () => {
    const rows = [
      [ID, '1,234', 'at charge (shop/src/billing.ts:24)'],
      ['漢字漢字漢字漢字漢字漢字漢字漢字漢字', '1', '🚚🚚🚚🚚🚚🚚🚚🚚🚚🚚🚚🚚🚚🚚🚚🚚🚚🚚🚚🚚'],
    ];
    for (const columns of [40, 80, 120]) {
      for (const line of linesAt(columns, rows)) {
        const width = [...line].reduce((sum, character) => sum + (/[漢字🚚]/u.test(character) ? 2 : 1), 0);
        assert.ok(width <= columns, `${width} columns at ${columns}: ${line}`);
      }
    }
  });

  test('what is cut says so, at the end or, where the end tells more, at the beginning', () => {
    const [, line = ''] = linesAt(40, [[ID, '7', 'charge (shop/src/billing.ts:24)']]);
    assert.match(line, /^4dcef81\S*…\s+7\s+….*billing\.ts:24\)$/);
  });

  test('text from messages cannot move the cursor, break lines or turn the direction of writing', () => {
    const [, line = '', ...more] = linesAt(80, [['a\u001b[2Jb', '1', 'one\r\n  two\u202ethree']]);
    assert.equal(line, `${'a�[2Jb'.padEnd(8)}    1  one two�three`);
    assert.deepEqual(more, []);
    assert.equal(harmless('\u009b31m\u0007'), '�31m�');
  });
});
