import assert from 'node:assert/strict';
import { constants, getPriority, setPriority } from 'node:os';
import { describe, test } from 'node:test';
import { nodeIo } from '../io/node-io.ts';
import { buildProgram } from './program.ts';
import type { Terminal } from './terminal.ts';
import type { ExitCode } from './verb.ts';

const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority;

describe('the command line', () => {
  test('a verb gives way to endpoints, but does not wait for everybody else', async () => {
    await run('keys', 'show');
    assert.equal(getPriority(), PRIORITY_BELOW_NORMAL);
    setPriority(PRIORITY_LOW);
    await run('keys', 'show');
    assert.equal(getPriority(), PRIORITY_LOW, 'a priority that somebody set lower is kept');
  });
});

async function run(...given: string[]): Promise<ExitCode | undefined> {
  let exitCode: ExitCode | undefined;
  const context = { terminal: silentTerminal(), io: nodeIo(), environment: { POSTHORN_DIRECTORY: '/nowhere' } };
  const program = buildProgram(context, (code) => {
    exitCode = code;
  });
  await program.parseAsync(given, { from: 'user' });
  return exitCode;
}

function silentTerminal(): Terminal {
  const asItIs = (text: string): string => text;
  const nothing = (): void => undefined;
  return {
    print: nothing,
    note: nothing,
    write: nothing,
    bold: asItIs,
    dim: asItIs,
    columns: undefined,
    rows: undefined,
    canAsk: false,
    showsProgress: false,
  };
}
