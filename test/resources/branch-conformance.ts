import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PosthornError } from '../../src/message/posthorn-error.ts';
import type { Branch } from '../../src/transactions/resource-manager.ts';
import { type ResourceFeatures, ResourceStory } from './resource-story.ts';

/** Branches: R1 to R5, as ResourceManager numbers them. */
export function testBranches(features: ResourceFeatures): void {
  describe(`${features.title}, a branch`, () => {
    testAnswers(features);
    testLostAnswers(features);
    testConnections(features);
    testGuard(features);
    testStatements(features);
  });
}

const setup = ResourceStory.make;

function testAnswers(features: ResourceFeatures): void {
  test('R1: a marker that is committed takes the work with it', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const branch = await story.written(1);
    assert.deepEqual(await branch.commitWithMarker(), { kind: 'committed' });
    assert.deepEqual(await story.database.numbers(), [1]);
    const found = await story.resource.recovery.fence(branch.id.transaction);
    assert.deepEqual(found, { kind: 'found', outcome: 'committed' });
  });

  test('R1: a marker that is there already refuses the commit, and nothing of the work is there', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const branch = await story.written(1);
    assert.deepEqual(await story.resource.recovery.fence(branch.id.transaction), { kind: 'inserted' });
    const answer = await branch.commitWithMarker();
    assert.equal(answer.kind, 'refused');
    assert.deepEqual(await story.database.numbers(), []);
    assert.deepEqual(await story.resource.recovery.fence(branch.id.transaction), { kind: 'found', outcome: 'aborted' });
  });

  test('R1: a prepared branch is listed, and finished as it is told', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const [first, second] = [await story.prepared(1), await story.prepared(2)];
    assert.deepEqual([...(await story.found())].sort(), [first.id.transaction, second.id.transaction].sort());
    assert.deepEqual(await story.database.numbers(), []);
    assert.equal((await first.finish('commit')).kind, 'done');
    assert.equal((await second.finish('rollback')).kind, 'done');
    assert.deepEqual(await story.database.numbers(), [1]);
    assert.deepEqual(await story.found(), []);
  });

  test('R1: a branch that was used for reading, or not at all, tells that nothing was written', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const unused = await story.begin();
    assert.deepEqual(await unused.end(), { hasWritten: false });
    await unused.commitReadOnly();
    const reading = await story.begin();
    await story.query(reading, 'select count(*) as number from effects');
    assert.deepEqual(await reading.end(), { hasWritten: false });
    await reading.commitReadOnly();
    const writing = await story.begin();
    await story.write(writing, 1);
    assert.deepEqual(await writing.end(), { hasWritten: true });
    await writing.rollback();
    assert.deepEqual(await story.database.numbers(), []);
  });

  test('R1: a branch is of the isolation level that was asked for', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const seen = { 'read committed': 1, 'repeatable read': 0 } as const;
    for (const isolationLevel of ['read committed', 'repeatable read'] as const) {
      await story.database.query('delete from effects');
      const branch = await story.begin({ isolationLevel });
      await story.query(branch, 'select count(*) as number from effects');
      await story.database.query('insert into effects (number) values (1)');
      const [row] = await story.query(branch, 'select count(*) as number from effects');
      assert.equal(Number(row?.number), seen[isolationLevel], isolationLevel);
      await branch.rollback();
    }
  });
}

function testLostAnswers(features: ResourceFeatures): void {
  const { wire } = features;

  test('R1: a commit whose answer is lost is unknown, and the fence finds what became of it', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const branch = await story.written(1);
    const caught = story.database.proxy.trap(wire.commitWithMarker, 'answer');
    const answer = branch.commitWithMarker();
    const { link, answered } = await caught;
    await answered;
    link.closeClient();
    assert.equal((await answer).kind, 'unknown');
    link.cut();
    // MariaDB's commit is a request of its own, after the marker: whether it went out before the end is what the fence tells.
    const fence = await settled(story, branch.id.transaction);
    const numbers = await story.database.numbers();
    assert.deepEqual(numbers, fence.kind === 'found' ? [1] : []);
    await branch.rollback();
  });

  test('R1: a commit that never arrives is unknown, and after the fence it cannot commit any more', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const branch = await story.written(1);
    const caught = story.database.proxy.trap(wire.commitWithMarker, 'request');
    const answer = branch.commitWithMarker();
    const { link } = await caught;
    link.closeClient();
    assert.equal((await answer).kind, 'unknown');
    assert.equal((await settled(story, branch.id.transaction)).kind, 'inserted');
    link.letGo();
    assert.deepEqual(await story.resource.recovery.endSession(branch.session), { kind: 'gone' });
    assert.deepEqual(await story.database.numbers(), []);
  });

  test('fault 71: R1: a prepare whose answer is lost is unknown; recovery finds the branch and rolls it back', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const branch = await story.written(1);
    const caught = story.database.proxy.trap(wire.prepare, 'answer');
    const answer = branch.prepare();
    const { link, answered } = await caught;
    await answered;
    link.closeClient();
    assert.equal((await answer).kind, 'unknown');
    link.cut();
    await story.resource.recovery.endSession(branch.session);
    assert.deepEqual(await story.found(), [branch.id.transaction]);
    const request = { id: branch.id, direction: 'rollback', evidence: undefined, mayHaveFinished: false } as const;
    assert.equal((await story.resource.recovery.finish(request)).kind, 'done');
    assert.deepEqual(await story.found(), []);
    assert.deepEqual(await story.database.numbers(), []);
  });

  test('fault 72: R1: a second phase whose answer is lost is asked again, and proven done', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const branch = await story.prepared(1);
    const caught = story.database.proxy.trap(wire.finish, 'answer');
    const answer = branch.finish('commit');
    const { link, answered } = await caught;
    await answered;
    link.closeClient();
    assert.equal((await answer).kind, 'again');
    link.cut();
    await story.resource.recovery.endSession(branch.session);
    const request = { id: branch.id, direction: 'commit', evidence: branch.evidence(), mayHaveFinished: true } as const;
    assert.equal((await story.resource.recovery.finish(request)).kind, 'done');
    assert.deepEqual(await story.database.numbers(), [1]);
  });

  test('R1: a database that refuses connections is unavailable, and said so with its place', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    await story.database.proxy.down();
    await assert.rejects(story.begin(), (error: Error & { readonly code?: string }) => {
      assert.equal(error.code, 'RESOURCE_UNAVAILABLE');
      assert.match(error.message, /127\.0\.0\.1/);
      assert.doesNotMatch(error.message, /:posthorn@/);
      return true;
    });
    await story.database.proxy.accept();
    await (await story.begin()).rollback();
  });
}

/** Asks the fence until it knows, as recovery does. */
async function settled(story: ResourceStory, transaction: string): Promise<{ readonly kind: 'inserted' | 'found' }> {
  for (;;) {
    const answer = await story.resource.recovery.fence(transaction);
    if (answer.kind !== 'again') return answer;
  }
}

function testConnections(features: ResourceFeatures): void {
  test('R3: a branch keeps its connection to its end, and then another branch gets it', async (t) => {
    const story = await setup(t, features, { poolSize: 1 });
    if (story === undefined) return;
    const sessions = new Set<string>();
    const endings: readonly ((branch: Branch) => Promise<unknown>)[] = [
      (branch) => branch.rollback(),
      (branch) => branch.end().then(() => branch.rollback()),
      (branch) => branch.end().then(() => branch.commitReadOnly()),
      (branch) => writeAndEnd(story, branch, 1).then(() => branch.commitWithMarker()),
      (branch) => writeAndPrepare(story, branch, 2).then(() => branch.finish('commit')),
      (branch) => writeAndPrepare(story, branch, 3).then(() => branch.rollback()),
    ];
    for (const end of endings) {
      const branch = await story.begin();
      sessions.add(branch.session);
      let isFree = false;
      const next = story.begin().then((other) => {
        isFree = true;
        return other;
      });
      await story.query(branch, 'select 1 as number');
      assert.equal(isFree, false, 'before the end');
      await end(branch);
      await (await next).rollback();
    }
    assert.equal(sessions.size, 1);
    assert.deepEqual(await story.database.numbers(), [1, 2]);
  });

  test('R3: a branch whose connection is lost leaves nothing behind, and the next one gets another', async (t) => {
    const story = await setup(t, features, { poolSize: 1 });
    if (story === undefined) return;
    const branch = await story.begin();
    await story.write(branch, 1);
    story.database.proxy.cut();
    await assert.rejects(async () => story.query(branch, 'select 1 as number'));
    await assert.rejects(branch.end());
    await branch.rollback();
    await branch.rollback();
    const next = await story.begin();
    assert.notEqual(next.session, branch.session);
    await next.rollback();
    assert.deepEqual(await story.database.numbers(), []);
  });

  test('R3: an idle connection that died in the pool is replaced before anything is begun on it', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const [first, second] = [await story.begin(), await story.begin()];
    await Promise.all([first.rollback(), second.rollback()]);
    story.database.proxy.cut();
    const branch = await story.written(1);
    assert.deepEqual(await branch.commitWithMarker(), { kind: 'committed' });
  });

  test('R3: who waits for a connection gives up with its signal', async (t) => {
    const story = await setup(t, features, { poolSize: 1 });
    if (story === undefined) return;
    const branch = await story.begin();
    const abort = new AbortController();
    const waiting = story.begin({ signal: () => abort.signal });
    abort.abort();
    await assert.rejects(waiting, { code: 'RESOURCE_UNAVAILABLE' });
    await branch.rollback();
    await (await story.begin()).rollback();
  });
}

async function writeAndEnd(story: ResourceStory, branch: Branch, number: number): Promise<void> {
  await story.write(branch, number);
  await branch.end();
}

async function writeAndPrepare(story: ResourceStory, branch: Branch, number: number): Promise<void> {
  await writeAndEnd(story, branch, number);
  assert.deepEqual(await branch.prepare(), { kind: 'yes' });
}

function testGuard(features: ResourceFeatures): void {
  for (const statement of features.byHand) {
    test(`R4: ${statement} by hand is refused, and dooms the branch`, async (t) => {
      const story = await setup(t, features, { statementErrors: 'handled' });
      if (story === undefined) return;
      const branch = await story.begin();
      await story.write(branch, 1);
      await assert.rejects(async () => story.query(branch, statement), { code: 'STATEMENT_REFUSED' });
      await assert.rejects(async () => story.write(branch, 2));
      await assert.rejects(branch.end(), { code: 'STATEMENT_REFUSED' });
      await branch.rollback();
      assert.deepEqual(await story.database.numbers(), []);
    });
  }

  test('R4: savepoints may be used', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const branch = await story.begin();
    await story.query(branch, 'savepoint one');
    await story.write(branch, 1);
    await story.query(branch, 'rollback to savepoint one');
    await story.write(branch, 2);
    await story.query(branch, 'release savepoint one');
    await branch.end();
    assert.deepEqual(await branch.commitWithMarker(), { kind: 'committed' });
    assert.deepEqual(await story.database.numbers(), [2]);
  });

  test('R4: after its end the client refuses everything', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const branch = await story.written(1);
    await assert.rejects(async () => story.write(branch, 2), { code: 'TRANSACTION_ENDED' });
    await branch.commitWithMarker();
    await assert.rejects(async () => story.write(branch, 3), { code: 'TRANSACTION_ENDED' });
    assert.deepEqual(await story.database.numbers(), [1]);
  });
}

function testStatements(features: ResourceFeatures): void {
  test('R5: a statement that fails dooms the branch, whatever its handler makes of it', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const branch = await story.begin();
    await story.write(branch, 1);
    await assert.rejects(async () => story.query(branch, 'insert into nowhere (number) values (1)'), /nowhere/);
    await assert.rejects(async () => story.write(branch, 2), { code: 'BRANCH_DOOMED' });
    await assert.rejects(branch.end(), { code: 'BRANCH_DOOMED', message: /nowhere/ });
    await branch.rollback();
    assert.deepEqual(await story.database.numbers(), []);
  });

  test('R5: a connection that is lost while nothing runs on it is told as that, with the database, and not as a failed statement', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const branch = await story.begin();
    await story.write(branch, 1);
    assert.deepEqual(await story.resource.recovery.endSession(branch.session), { kind: 'gone' });
    // Whether it is known by then or met with, as the loss may still be on its way.
    const error = await refusalOf(branch);
    assert.equal(error.code, 'RESOURCE_UNAVAILABLE', String(error));
    assert.match(error.what, /^Database 'orders' \(.*\) .*: the connection was lost/);
    assert.match(error.mend, /server's log/);
    await branch.rollback();
    assert.deepEqual(await story.database.numbers(), []);
  });

  test('R5: with statement errors handled, work up to a savepoint can be kept', async (t) => {
    const story = await setup(t, features, { statementErrors: 'handled' });
    if (story === undefined) return;
    const branch = await story.begin();
    await story.write(branch, 1);
    await story.query(branch, 'savepoint one');
    await assert.rejects(async () => story.query(branch, 'insert into nowhere (number) values (1)'));
    await story.query(branch, 'rollback to savepoint one');
    await story.write(branch, 2);
    assert.deepEqual(await branch.end(), { hasWritten: true });
    assert.deepEqual(await branch.commitWithMarker(), { kind: 'committed' });
    assert.deepEqual(await story.database.numbers(), [1, 2]);
  });

  test('R5: a statement that still runs when the handlers are done dooms the branch, and ends on the server', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const branch = await story.begin();
    await story.write(branch, 1);
    const running = story.query(branch, features.sleep(30)).then(
      () => 'answered',
      () => 'failed',
    );
    await assert.rejects(branch.end(), { code: 'STATEMENT_STILL_RUNNING' });
    await branch.rollback();
    assert.equal(await running, 'failed');
    assert.deepEqual(await story.resource.recovery.endSession(branch.session), { kind: 'gone' });
  });

  test('R2: a statement that takes longer than its resource allows fails', async (t) => {
    const story = await setup(t, features, { statementTimeoutMs: 300 });
    if (story === undefined) return;
    const branch = await story.begin();
    await assert.rejects(async () => story.query(branch, features.sleep(30)));
    await assert.rejects(branch.end());
    await branch.rollback();
  });

  test('R2: a connection that falls silent is given up after a second look at its session', {
    timeout: 30_000,
  }, async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const branch = await story.begin();
    await story.write(branch, 1);
    const caught = story.database.proxy.trap(/select 4711/, 'answer');
    const asked = Promise.resolve(story.query(branch, 'select 4711 as number'));
    const { link } = await caught;
    await assert.rejects(asked, { code: 'REQUEST_TIMED_OUT', message: /did not arrive/ });
    await assert.rejects(branch.end(), { code: 'BRANCH_DOOMED' });
    await branch.rollback();
    link.cut();
    assert.deepEqual(await story.database.numbers(), []);
  });
}

/** What a branch says that can neither end nor commit. */
async function refusalOf(branch: Branch): Promise<PosthornError> {
  try {
    await branch.end();
    const answer = await branch.commitWithMarker();
    assert.notEqual(answer.kind, 'committed');
    throw 'error' in answer ? answer.error : answer;
  } catch (error) {
    assert.ok(error instanceof PosthornError, String(error));
    return error;
  }
}
