import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';
import { describe, test } from 'node:test';
import { nodeIo } from '../io/node-io.ts';
import { buildProgram } from './program.ts';
import type { Terminal } from './terminal.ts';
import type { ExitCode, VerbContext } from './verb.ts';

const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority;

describe('the command line', () => {
  test('a verb gives way to endpoints, but does not wait for everybody else', async () => {
    await run('keys', 'show');
    assert.equal(getPriority(), PRIORITY_BELOW_NORMAL);
    setPriority(PRIORITY_LOW);
    await run('keys', 'show');
    assert.equal(getPriority(), PRIORITY_LOW, 'a priority that somebody set lower is kept');
  });

  test('docs/operating.md has every verb in its table', () => {
    const rows = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8').match(/^\| `.*$/gm) ?? [];
    const known = rows.flatMap((row) => [...row.matchAll(/`([a-z-]+)/g)].map(([, name]) => name));
    const verbs = buildProgram(silentContext(), () => undefined).commands.map((verb) => verb.name());
    assert.ok(verbs.includes('queues'));
    assert.deepEqual(
      verbs.filter((name) => !known.includes(name)),
      [],
    );
  });
});

async function run(...given: string[]): Promise<ExitCode | undefined> {
  let exitCode: ExitCode | undefined;
  const program = buildProgram(silentContext(), (code) => {
    exitCode = code;
  });
  await program.parseAsync(given, { from: 'user' });
  return exitCode;
}

function silentContext(): VerbContext {
  return { terminal: silentTerminal(), io: nodeIo(), environment: { POSTHORN_DIRECTORY: '/nowhere' } };
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
