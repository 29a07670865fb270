import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Finding } from '../transactions/resource-manager.ts';
import { FindingsView } from './findings-view.ts';
import type { Terminal } from './terminal.ts';

const REFUSED: Finding = {
  step: 'connect',
  outcome: 'failed',
  text: '10.0.0.2:5432 refused the connection.',
  mend: 'Start the server.',
  tookMs: 4.4,
};

describe('what the doctor finds', () => {
  test('is written as it comes, each failure with its mend below it', () => {
    const { view, lines } = viewAt(80);
    const tell = view.begin('orders', 'orders: postgres');
    tell({ step: 'name', outcome: 'ok', text: 'db1 is 10.0.0.2', tookMs: 0.2 });
    assert.deepEqual(lines, ['orders: postgres', '  ok      name                  db1 is 10.0.0.2']);
    tell(REFUSED);
    assert.deepEqual(lines.slice(2), [
      '  FAILED  connect               10.0.0.2:5432 refused the connection, 4 ms',
      '                                Start the server.',
    ]);
  });

  test('ends with what failed, in which place and step, and how much is only a warning', () => {
    const { view, lines } = viewAt(80);
    view.begin('machine', 'This machine')({ step: 'disk', outcome: 'warning', text: 'little room' });
    assert.equal(view.isWell, true);
    view.begin('orders', 'orders')(REFUSED);
    view.begin('stock', 'stock')({ ...REFUSED, step: 'login' });
    view.end();
    assert.equal(view.isWell, false);
    assert.equal(lines.at(-1), '2 steps failed: orders (connect), stock (login). 1 warning.');
    const well = viewAt(80);
    well.view.begin('machine', 'This machine')({ step: 'disk', outcome: 'skipped', text: 'no' });
    well.view.end();
    assert.equal(well.lines.at(-1), 'Nothing is wrong.');
  });

  test('is one line for steps that were not taken for one reason', () => {
    const { view, lines } = viewAt(80);
    const tell = view.begin('orders', 'orders');
    for (const step of ['tls', 'login', 'version']) tell({ step, outcome: 'skipped', text: 'there is no connection' });
    tell({ step: 'tables', outcome: 'skipped', text: 'none were named' });
    tell(REFUSED);
    assert.deepEqual(lines.slice(1, 4), [
      '  -       tls and 2 more        there is no connection',
      '  -       tables                none were named',
      '  FAILED  connect               10.0.0.2:5432 refused the connection, 4 ms',
    ]);
    tell({ step: 'clock', outcome: 'skipped', text: 'there is no connection' });
    view.end();
    assert.equal(lines.at(-3), '  -       clock                 there is no connection');
  });

  test('keeps within the terminal and is harmless; SQL in a mend is not broken', () => {
    const sql = `create table posthorn_marker (${'id char(59) primary key, '.repeat(4)});`;
    const { view, lines } = viewAt(80);
    const text = `${'word '.repeat(40)}\u001b[2J`;
    view.begin('orders', text)({ step: 'a step with a long name', outcome: 'failed', text, mend: `${text}\n${sql}` });
    for (const line of lines) {
      assert.ok(line.length <= 80 || line.trim() === sql, line);
      assert.ok(!line.includes('\u001b'));
    }
    assert.ok(lines.some((line) => line.trim() === sql));
  });

  test('is a JSON document for each finding, and nothing else', () => {
    const { view, lines } = viewAt(undefined, { asJson: true });
    view.begin('orders', 'orders: postgres')(REFUSED);
    view.end();
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      [{ subject: 'orders', ...REFUSED, tookMs: 4 }],
    );
  });
});

function viewAt(columns: number | undefined, { asJson = false } = {}): { view: FindingsView; lines: string[] } {
  const lines: string[] = [];
  const plain = (text: string): string => text;
  // What a view needs of a terminal: its width, letters, and where they go.
  const terminal = { columns, bold: plain, print: (line) => lines.push(line) } as Partial<Terminal> as Terminal;
  return { view: new FindingsView(terminal, { asJson }), lines };
}
