import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Branch, FinishRequest, Witness } from '../../src/transactions/resource-manager.ts';
import { generationField } from '../../src/transactions/transaction-id.ts';
import { type ResourceFeatures, ResourceStory } from './resource-story.ts';

/** Recovery, witness and setup: R1, R2, R6, R7, as ResourceManager numbers them. */
export function testRecovery(features: ResourceFeatures): void {
  describe(`${features.title}, recovery`, () => {
    testFence(features);
    testSessions(features);
    testFinish(features);
    testMarkers(features);
  });
  describe(`${features.title}, the witness`, () => testWitness(features));
  describe(`${features.title}, setup`, () => testSetup(features));
}

const setup = ResourceStory.make;

function testFence(features: ResourceFeatures): void {
  test('R1: the fence is inserted once, and found from then on', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const { recovery } = story.resource;
    const transaction = story.transactionId();
    assert.deepEqual(await recovery.fence(transaction), { kind: 'inserted' });
    assert.deepEqual(await recovery.fence(transaction), { kind: 'found', outcome: 'aborted' });
    assert.deepEqual(await story.database.markers(), ['a']);
  });

  test('R1: while another session holds the row, the fence says nothing; when that ends, it says what is', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const { recovery } = story.resource;
    for (const end of ['commit', 'rollback']) {
      const transaction = story.transactionId();
      await using other = await story.database.session();
      await other.query('begin');
      await other.query(`insert into posthorn_marker (id, outcome) values ('${transaction}', 'c')`);
      assert.equal((await recovery.fence(transaction)).kind, 'again');
      await other.query(end);
      const expected = end === 'commit' ? { kind: 'found', outcome: 'committed' } : { kind: 'inserted' };
      assert.deepEqual(await recovery.fence(transaction), expected);
    }
  });

  test('R1, R2: while the database is down, nothing is concluded', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const { recovery } = story.resource;
    const branch = await story.prepared(1);
    await story.database.proxy.down();
    const request = { id: branch.id, direction: 'commit', evidence: branch.evidence(), mayHaveFinished: true } as const;
    assert.equal((await recovery.finish(request)).kind, 'again');
    assert.equal((await recovery.fence(story.transactionId())).kind, 'again');
    assert.equal((await recovery.endSession(branch.session)).kind, 'again');
    await assert.rejects(recovery.scan());
    await assert.rejects(recovery.witness.read(story.queueManager));
    await story.database.proxy.accept();
    await branch.rollback();
    await recovery.endSession(branch.session);
    assert.equal((await recovery.finish(request)).kind, 'done');
    assert.deepEqual(await story.database.numbers(), [1]);
  });
}

function testSessions(features: ResourceFeatures): void {
  test('R1: a session that is ended is gone, with its work; asked again, it is gone still', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const { recovery } = story.resource;
    const branch = await story.begin();
    await story.write(branch, 1);
    assert.deepEqual(await recovery.endSession(branch.session), { kind: 'gone' });
    assert.deepEqual(await recovery.endSession(branch.session), { kind: 'gone' });
    await assert.rejects(async () => story.write(branch, 2));
    await branch.rollback();
    assert.deepEqual(await story.database.numbers(), []);
  });

  test('R1: a session that got the number of another one is left alone', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const branch = await story.begin();
    await story.write(branch, 1);
    // The same number, begun at another time.
    const earlier = branch.session.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 5) % 10));
    assert.notEqual(earlier, branch.session);
    await story.resource.recovery.endSession(earlier);
    await branch.end();
    assert.deepEqual(await branch.commitWithMarker(), { kind: 'committed' });
  });
}

function testFinish(features: ResourceFeatures): void {
  test('R6: with the pool used up, recovery finishes branches', async (t) => {
    const story = await setup(t, features, { poolSize: 1 });
    if (story === undefined) return;
    const branch = await story.prepared(1);
    const { recovery } = story.resource;
    await recovery.endSession(branch.session);
    await branch.rollback();
    const held = await story.begin();
    const answer = await recovery.finish(toCommit(branch));
    assert.ok(answer.kind === 'done' || answer.kind === 'heuristic', answer.kind);
    await held.rollback();
  });

  test('R1: a branch that somebody else rolled back is a heuristic outcome when it was to be committed', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const { recovery } = story.resource;
    const branch = await story.prepared(1);
    await story.database.proxy.down();
    await branch.finish('commit');
    await story.database.proxy.accept();
    await recovery.endSession(branch.session);
    const [found] = (await recovery.scan()).filter(({ id }) => id?.transaction === branch.id.transaction);
    await story.database.query(found?.sql.rollback.replace(/;$/, '') ?? '');
    const answer = await recovery.finish(toCommit(branch));
    assert.equal(answer.kind, 'heuristic');
    assert.ok(answer.kind === 'heuristic' && answer.outcome !== 'committed');
  });

  test('R1: a branch that is not there counts as rolled back when it was to be', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const id = { transaction: story.transactionId(), qualifier: 'aaaaaaaaaaaaa.aa' };
    const request = { id, direction: 'rollback', evidence: undefined, mayHaveFinished: false } as const;
    assert.equal((await story.resource.recovery.finish(request)).kind, 'done');
  });
}

function testMarkers(features: ResourceFeatures): void {
  test('marker rows are read by queue manager, generation and epoch, page by page, and deleted', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const { recovery } = story.resource;
    // Epochs whose texts do not sort as their numbers do: letters stand before digits in ids.
    const epochs = [1, 2, 25, 26, 31, 32, 33, 57, 58, 1024, 40_000];
    const ids = new Map(epochs.map((epoch) => [epoch, story.transactionId(epoch)]));
    for (const id of ids.values()) await recovery.fence(id);
    const stranger = (await ResourceStory.make(t, features))?.transactionId(1) ?? '';
    await recovery.fence(stranger);
    const { queueManager, generation } = story;
    for (const belowEpoch of epochs) {
      const request = { queueManager, generation, belowEpoch, countMax: 3 };
      const read: string[] = [];
      for (;;) {
        const last = read.at(-1);
        const page = await recovery.readMarkers(last === undefined ? request : { ...request, afterId: last });
        assert.ok(page.length <= 3 && page.every(({ outcome }) => outcome === 'aborted'));
        read.push(...page.map(({ transaction }) => transaction));
        if (page.length < 3) break;
      }
      const expected = epochs.filter((epoch) => epoch < belowEpoch).map((epoch) => ids.get(epoch));
      assert.deepEqual([...read].sort(), [...expected].sort(), `below ${belowEpoch}`);
    }
    await recovery.deleteMarkers([...ids.values()]);
    await recovery.deleteMarkers([...ids.values()]);
    await recovery.deleteMarkers([]);
    assert.deepEqual(await story.database.markers(), ['a']);
  });
}

function testWitness(features: ResourceFeatures): void {
  test('it only rises; another generation, a higher epoch or another opening is refused and shown', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const { witness } = story.resource.recovery;
    const { queueManager, generation } = story;
    const [opening, other] = [crypto.randomUUID(), crypto.randomUUID()];
    const first: Witness = { queueManager, generation, epoch: 5, opening };
    assert.equal(await witness.read(queueManager), undefined);
    assert.deepEqual(await witness.raise(first), { kind: 'raised' });
    assert.deepEqual(await witness.raise(first), { kind: 'raised' }, 'the very same');
    assert.deepEqual(await witness.read(queueManager), first);
    for (const wrong of [
      { ...first, epoch: 4 },
      { ...first, opening: other },
      { ...first, epoch: 6, generation: generationField(crypto.randomUUID()) },
    ])
      assert.deepEqual(await witness.raise(wrong), { kind: 'refused', found: first });
    const second = { ...first, epoch: 6, opening: other };
    assert.deepEqual(await witness.raise(second), { kind: 'raised' });
    assert.deepEqual(await witness.read(queueManager), second);
    const accepted = { queueManager, generation: generationField(crypto.randomUUID()), epoch: 1, opening };
    await witness.replace(accepted);
    assert.deepEqual(await witness.read(queueManager), accepted);
  });

  test('of two openings that raise it at the same moment, one is refused', async (t) => {
    const story = await setup(t, features);
    const twin = await setup(t, features);
    if (story === undefined || twin === undefined) return;
    const again = features.make({ name: 'orders', connectionString: story.database.url });
    t.after(() => again.close());
    const { queueManager, generation } = story;
    const witnesses = [story.resource, again].map(({ recovery }) => recovery.witness);
    for (const epoch of [1, 2, 3]) {
      const answers = await Promise.all(
        witnesses.map((witness) => witness.raise({ queueManager, generation, epoch, opening: crypto.randomUUID() })),
      );
      assert.deepEqual(answers.map(({ kind }) => kind).sort(), ['raised', 'refused']);
    }
  });
}

function testSetup(features: ResourceFeatures): void {
  test('several processes make the tables at once; made already, they are left as they are', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    await story.database.query('drop table posthorn_marker');
    await story.database.query('drop table posthorn_witness');
    const makers = [1, 2, 3, 4].map((number) =>
      features.make({ name: `orders${number}`, connectionString: story.database.directUrl }),
    );
    t.after(() => Promise.all(makers.map((maker) => maker.close())));
    await Promise.all(makers.map(({ setup: each }) => each.createTables()));
    const transaction = story.transactionId();
    assert.deepEqual(await story.resource.recovery.fence(transaction), { kind: 'inserted' });
    await story.resource.setup.createTables();
    assert.deepEqual(await story.database.markers(), ['a']);
  });

  test('where the tables are expected and missing, the SQL is told', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    await story.database.query('drop table posthorn_witness');
    const expecting = features.make({ name: 'orders', connectionString: story.database.directUrl, tables: 'expect' });
    t.after(() => expecting.close());
    await assert.rejects(expecting.setup.createTables(), {
      code: 'RESOURCE_TABLES_MISSING',
      message: /create table if not exists posthorn_witness/i,
    });
  });

  test('a server that fits has no obstacles, and every step of its examination is well', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const { twoPhaseObstacle, markerObstacle, server } = await story.resource.setup.inspect();
    assert.deepEqual([twoPhaseObstacle, markerObstacle], [undefined, undefined]);
    assert.match(server, /^[A-Z]\S+ \d+/);
    const steps: string[] = [];
    const bad: string[] = [];
    await story.resource.setup.examine({
      tables: ['effects'],
      branchCount: 2,
      tell: ({ step, outcome, text, mend }) => {
        steps.push(step);
        if (outcome === 'failed') bad.push(`${step}: ${text} ${mend}`);
        if (outcome === 'failed' || outcome === 'warning') assert.ok(mend, `${step} names its mend`);
      },
    });
    assert.deepEqual(bad, []);
    for (const step of ['name', 'connect', 'login', 'version', 'tables', 'clock'])
      assert.ok(steps.includes(step), step);
    assert.deepEqual(await story.found(), []);
    assert.deepEqual(await story.database.markers(), []);
  });

  test('an examination of a server that is down ends with the step that failed and its mend', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    await story.database.proxy.down();
    const failed: string[] = [];
    await story.resource.setup.examine({
      tables: [],
      branchCount: 2,
      tell: ({ step, outcome, mend }) => {
        if (outcome === 'failed') failed.push(`${step}: ${mend === undefined ? 'no mend' : 'mend'}`);
      },
    });
    await story.database.proxy.accept();
    assert.deepEqual(failed, ['connect: mend']);
  });

  test('R7: closing waits for those in use, and what comes later opens new connections', async (t) => {
    const story = await setup(t, features);
    if (story === undefined) return;
    const branch = await story.begin();
    await story.write(branch, 1);
    const closing = story.resource.close();
    await branch.end();
    assert.deepEqual(await branch.commitWithMarker(), { kind: 'committed' });
    await closing;
    const next = await story.begin();
    assert.notEqual(next.session, branch.session);
    await next.rollback();
    assert.deepEqual(await story.database.numbers(), [1]);
  });
}

/** For a branch of which no attempt to commit it was carried out. */
function toCommit(branch: Branch): FinishRequest {
  return { id: branch.id, direction: 'commit', evidence: branch.evidence(), mayHaveFinished: false };
}
