import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { describe, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { multiselect } from '@clack/prompts';
import type { FailureGroup } from '../operations/failure-group.ts';
import { choiceOf } from './ask-return.ts';

const GROUP: FailureGroup = {
  id: '3e7a05eed45e',
  count: 6,
  exceptionType: 'TimeoutError',
  frame: '',
  messageType: 'Billing.Charge',
  firstFailureMs: undefined,
  lastFailureMs: undefined,
  exampleId: 'order-1',
  exampleText: 'the bank 日本銀行 did not answer '.repeat(8),
};

describe('which messages shall go back', () => {
  test('is one line for each group, as long as the terminal allows', async () => {
    process.env.FORCE_COLOR = '1';
    for (const columns of [80, 100, 120]) {
      const label = choiceOf(GROUP, columns);
      const lines = await linesOf(label, columns);
      assert.ok(
        lines.some((line) => line.endsWith(label)),
        lines.join('\n'),
      );
      assert.match(label, /^6 × Billing\.Charge: TimeoutError: the bank .*…$/);
    }
    assert.equal(choiceOf({ ...GROUP, exampleText: 'no' }, 80), '6 × Billing.Charge: TimeoutError: no');
  });
});

/** What a person sees of a choice with that label. */
async function linesOf(label: string, columns: number): Promise<readonly string[]> {
  let seen = '';
  const output = new Writable({
    write(chunk, _encoding, done) {
      seen += String(chunk);
      done();
    },
  });
  const input = new PassThrough();
  const asked = multiselect({
    message: 'Which?',
    options: [{ value: 1, label }],
    input,
    output: Object.assign(output, { columns, rows: 24 }),
  });
  input.write('\u0003');
  await asked;
  return stripVTControlCharacters(seen).split('\n');
}
