import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Screen } from './screen.ts';
import type { Terminal } from './terminal.ts';

test('what is drawn stays within the terminal and says how much more there is', () => {
  const { screen, written } = screenOf(6);
  screen.enter();
  screen.draw('1\n2\n3\n4', 'below');
  assert.deepEqual(linesOf(written.at(-1)), ['1', '2', '3', '4', '', 'below']);
  screen.draw('1\n2\n3\n4\n5\n6', 'below');
  assert.deepEqual(linesOf(written.at(-1)), ['1', '2', '3', '… 3 more lines', '', 'below']);
});

test('the terminal is given back once, and nothing is drawn on it before and after', () => {
  const { screen, written } = screenOf(6);
  screen.draw('early', '');
  screen.leave();
  assert.deepEqual(written, []);
  screen.enter();
  screen.enter();
  assert.deepEqual(written, ['\u001b[?1049h\u001b[?25l\u001b[?7l']);
  screen.leave();
  screen.leave();
  screen.draw('late', '');
  assert.deepEqual(written.slice(1), ['\u001b[?7h\u001b[?25h\u001b[?1049l']);
});

function screenOf(rows: number): { readonly screen: Screen; readonly written: string[] } {
  const written: string[] = [];
  // What a screen needs of a terminal.
  const terminal: Partial<Terminal> = { rows, dim: (text) => text, write: (text) => void written.push(text) };
  return { screen: new Screen(terminal as Terminal), written };
}

function linesOf(drawn: string | undefined): readonly string[] {
  return (drawn ?? '').replaceAll('\u001b[H', '').replaceAll('\u001b[K', '').replaceAll('\u001b[J', '').split('\r\n');
}
