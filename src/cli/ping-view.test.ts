import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PingDirection, PingReport, PingStep } from '../transfer/ping-report.ts';
import { formatPing, isWell, pingJson } from './ping-view.ts';
import type { Terminal } from './terminal.ts';

const NAMES = ['name', 'connect', 'tls', 'identity', 'version', 'clock', 'roundTrip'] as const;
const WELL = directionOf('alpha', 'beta', {});
const BACK = directionOf('beta', 'alpha', {});
const REFUSED = directionOf('beta', 'alpha', {
  connect: {
    result: 'failed',
    reason: 'CONNECT_REFUSED',
    text: 'Nothing listens at 10.0.0.1:1801.',
    mend: 'Start the listener of alpha.',
  },
});

describe('what ping found', () => {
  test('stands side by side where there is room, and one below the other where there is not', () => {
    const wide = linesAt(120, { there: WELL, back: BACK, backText: undefined });
    assert.match(wide[0] ?? '', /^alpha to beta \(beta, port 1801\) {20,}beta to alpha \(alpha, port 1801\)$/);
    assert.match(wide[1] ?? '', /^ {2}ok {6}name {8}name is fine.* {3} {2}ok {6}name {8}name is fine/);
    const narrow = linesAt(80, { there: WELL, back: BACK, backText: undefined });
    assert.equal(narrow[0], 'alpha to beta (beta, port 1801)');
    assert.equal(narrow[9], 'beta to alpha (alpha, port 1801)');
    assert.deepEqual(narrow.slice(-2), ['alpha to beta is well.', 'beta to alpha is well.']);
  });

  test('ends with the first failure of each way and what mends it', () => {
    const report = { there: WELL, back: REFUSED, backText: undefined };
    assert.deepEqual(linesAt(80, report).slice(-4), [
      'alpha to beta is well.',
      'beta to alpha fails: CONNECT_REFUSED.',
      'Nothing listens at 10.0.0.1:1801.',
      'Start the listener of alpha.',
    ]);
    assert.ok(linesAt(80, report).includes('  FAILED  connect     Nothing listens at 10.0.0.1:1801.'));
    assert.equal(isWell(report), false);
  });

  test('of several addresses that fail, ends with the one that came furthest', () => {
    const step = { result: 'failed', tookMs: undefined } as const;
    const mute: PingStep = {
      ...step,
      step: 'connect',
      address: '10.0.0.9',
      reason: 'CONNECT_TIMEOUT',
      text: 'No answer.',
      mend: 'Open the port.',
    };
    const wrong: PingStep = {
      ...step,
      step: 'identity',
      address: '10.0.0.2',
      reason: 'WRONG_HOST',
      text: 'It is gamma.',
      mend: 'Correct the name.',
    };
    for (const steps of [
      [mute, wrong],
      [wrong, mute],
    ]) {
      const report = { there: { ...WELL, isReached: false, steps }, back: undefined, backText: '' };
      assert.deepEqual(linesAt(80, report).slice(-3), [
        'alpha to beta fails: WRONG_HOST.',
        'It is gamma.',
        'Correct the name.',
      ]);
    }
  });

  test('says why only one way was looked at, which is no failure', () => {
    const report = { there: WELL, back: undefined, backText: 'No queue manager runs on this machine.' };
    for (const columns of [80, 120]) {
      assert.match(linesAt(columns, report).join('\n'), /No queue manager runs on this machine\./);
    }
    assert.equal(isWell(report), true);
    assert.equal(isWell({ ...report, there: { ...WELL, isReached: false } }), false);
  });

  test('shows a warning with its mend, and is well all the same', () => {
    const clock = { result: 'warning', text: 'its clock is 60 min ahead of ours', mend: 'Set both clocks.' } as const;
    const there = directionOf('alpha', 'beta', { clock });
    const lines = linesAt(80, { there, back: undefined, backText: '' });
    assert.ok(lines.includes('  warn    clock       its clock is 60 min ahead of ours'));
    assert.equal(lines.at(-1), 'Set both clocks.');
    assert.equal(isWell({ there, back: undefined, backText: '' }), true);
  });

  test('names the address of a step when there are several', () => {
    const steps: PingStep[] = [
      { ...stepOf('tls'), address: '10.0.0.2' },
      { ...stepOf('tls'), address: 'fd00::2' },
    ];
    const there = { ...WELL, steps };
    const lines = linesAt(80, { there, back: undefined, backText: '' });
    assert.ok(lines.includes('  ok      TLS         10.0.0.2: tls is fine'));
    assert.ok(lines.includes('  ok      TLS         fd00::2: tls is fine'));
  });

  test('keeps within the terminal, and texts of the other machine are harmless', () => {
    const text = `${'word '.repeat(60)}${'x'.repeat(200)}\u001b[2J`;
    const there = directionOf('alpha', 'beta', { identity: { result: 'failed', text, mend: text } });
    for (const columns of [80, 110, 120]) {
      for (const line of linesAt(columns, { there, back: there, backText: undefined })) {
        assert.ok(line.length <= columns, `${line.length} at ${columns}: ${line}`);
        assert.ok(!line.includes('\u001b'));
      }
    }
  });

  test('is one JSON document that says whether all is well', () => {
    assert.equal(pingJson({ there: WELL, back: BACK, backText: undefined }).isWell, true);
    assert.equal(pingJson({ there: WELL, back: REFUSED, backText: undefined }).isWell, false);
  });
});

function stepOf(step: PingStep['step']): PingStep {
  const none = { address: undefined, reason: undefined, mend: undefined, tookMs: undefined };
  return { ...none, step, result: 'ok', text: `${step} is fine` };
}

function directionOf(
  from: string,
  to: string,
  changed: Partial<Record<PingStep['step'], Partial<PingStep>>>,
): PingDirection {
  const steps = NAMES.map((step) => ({ ...stepOf(step), ...changed[step] }));
  return { from, to, name: to, port: 1801, steps, isReached: steps.every(({ result }) => result !== 'failed') };
}

function linesAt(columns: number, report: PingReport): string[] {
  const plain = (text: string): string => text;
  // What a view needs of a terminal: its width, and letters.
  const terminal = { columns, bold: plain, dim: plain } as Partial<Terminal> as Terminal;
  return formatPing(terminal, report).split('\n');
}
