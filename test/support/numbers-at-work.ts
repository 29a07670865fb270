import type { TestContext } from 'node:test';
import { KINDS } from './both-databases.ts';
import { DatabaseStory, type NumbersEndpoint } from './database-story.ts';
import { EffectsDatabase } from './effects-database.ts';
import type { FaultProxy } from './fault-proxy.ts';
import type { TestServer } from './test-databases.ts';

/**
 * An endpoint that writes numbers into fresh databases of these kinds, started; `undefined` after the test was skipped for want
 * of a server. All of it ends with the block that uses it.
 */
export async function numbersAtWork(
  t: TestContext,
  ...kinds: readonly TestServer['kind'][]
): Promise<NumbersAtWork | undefined> {
  await using stack = new AsyncDisposableStack();
  const databases: EffectsDatabase[] = [];
  for (const { kind, requireServer } of KINDS) {
    if (!kinds.includes(kind)) continue;
    const server = requireServer(t);
    if (server === undefined) return undefined;
    databases.push(stack.use(await EffectsDatabase.make(server)));
  }
  const story = stack.use(await DatabaseStory.begin());
  const numbers = story.numbersEndpoint(databases);
  await numbers.endpoint.start();
  const rest = stack.move();
  return {
    story,
    numbers,
    databases,
    proxyOf: (wanted) => {
      const database = databases.find(({ kind }) => kind === wanted);
      if (database === undefined) throw new Error(`no ${wanted} takes part in this story`);
      return database.proxy;
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

export interface NumbersAtWork extends AsyncDisposable {
  readonly story: DatabaseStory;
  readonly numbers: NumbersEndpoint;
  readonly databases: readonly EffectsDatabase[];
  /** What stands on the endpoint's way to the database of this kind. */
  proxyOf(kind: TestServer['kind']): FaultProxy;
}
