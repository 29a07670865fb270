import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Starts a program of test/store/children/ in a process of its own, which can be killed. Its errors go to ours. */
export function startChild(
  file: string,
  programArguments: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  limits: { readonly descriptorsMax?: number } = {},
): ChildProcessWithoutNullStreams {
  const path = join(import.meta.dirname, 'children', file);
  const command = [process.execPath, '--conditions=posthorn-source', path, ...programArguments];
  const limited =
    limits.descriptorsMax === undefined
      ? command
      : ['sh', '-c', `ulimit -n ${limits.descriptorsMax} && exec "$@"`, 'sh', ...command];
  const child = spawn(limited[0] ?? '', limited.slice(1), {
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...environment },
  });
  child.stderr.pipe(process.stderr);
  return child;
}

/** What the child writes, line by line. */
export function linesOf(child: ChildProcessWithoutNullStreams): AsyncIterator<string> {
  return createInterface({ input: child.stdout })[Symbol.asyncIterator]();
}

/** How the child ended, also when it has ended already. */
export async function endOf(
  child: ChildProcessWithoutNullStreams,
): Promise<{ readonly code: number | null; readonly signal: string | null }> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
  return { code: child.exitCode, signal: child.signalCode };
}
