import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createConnection } from 'mysql2/promise';
import { mysqlResource } from '../../src/resources/mysql/mysql-resource.ts';
import type { FinishRequest, Witness } from '../../src/transactions/resource-manager.ts';
import { startMariadb } from '../../tools/databases/start-mariadb.ts';
import { requireMariadb } from '../support/test-databases.ts';
import { MysqlStory } from './mysql-story.ts';

test('MariaDB: recovery ends the session that prepared a branch, and finishes it', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { recovery } = story.manager;
  const [first, second] = [await story.prepared(1), await story.prepared(2)];

  assert.equal((await recovery.finish({ ...wish(first), direction: 'commit' })).kind, 'done');
  assert.equal((await recovery.finish({ ...wish(second), direction: 'rollback' })).kind, 'done');

  assert.deepEqual(await story.items(), [1]);
  assert.deepEqual(await story.listed(), []);
});

test('MariaDB: a branch whose owner is connected and cannot be named is not finished, and the sentence says who holds it', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const branch = await story.prepared(1);
  const answer = await story.manager.recovery.finish({
    id: branch.id,
    direction: 'rollback',
    evidence: undefined,
    mayHaveFinished: false,
  });
  assert.equal(answer.kind, 'again');
  assert.match(answer.kind === 'again' ? (answer.sentence ?? '') : '', /held by the connection/);
  assert.deepEqual(await story.listed(), [branch.id.transaction]);
  assert.equal((await branch.finish('commit')).kind, 'done');
});

test('MariaDB: a branch that is absent is committed only when an attempt may have landed, else it is a hazard', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { recovery } = story.manager;
  const branch = await story.prepared(1);
  assert.equal((await branch.finish('commit')).kind, 'done');

  const again = await recovery.finish({ ...wish(branch), direction: 'commit', mayHaveFinished: true });
  assert.equal(again.kind, 'done');
  const unattempted = await recovery.finish({ ...wish(branch), direction: 'commit' });
  assert.deepEqual(
    [unattempted.kind, unattempted.kind === 'heuristic' && unattempted.outcome],
    ['heuristic', 'hazard'],
  );
  assert.equal((await recovery.finish({ ...wish(branch), direction: 'rollback' })).kind, 'done');
});

test('MariaDB: a branch that somebody else rolled back is told as what the server can prove, a hazard', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const branch = await story.prepared(1);
  const { recovery } = story.manager;
  await recovery.endSession(branch.session);
  const [found] = (await recovery.scan()).filter(({ id }) => id?.transaction === branch.id.transaction);
  await story.outside.query(found?.sql.rollback ?? '');

  const answer = await recovery.finish({ ...wish(branch), direction: 'commit' });

  assert.deepEqual([answer.kind, answer.kind === 'heuristic' && answer.outcome], ['heuristic', 'hazard']);
});

test('fault 78: on MariaDB foreign branches are told apart by their whole texts, whatever their bytes', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const own = story.nextId();
  const foreign = [
    [`'${own.transaction}x'`, `'${own.qualifier}'`],
    [`'${own.transaction}'`, "'other'"],
    [`'${own.transaction.slice(0, -1)}'`, `'${own.qualifier}'`],
    [`X'${'00ff27'.repeat(3)}${Buffer.from(own.qualifier).toString('hex')}'`, "X'5c27ff'"],
  ];
  const sessions = [];
  for (const [global, branch] of foreign) {
    const session = await createConnection(story.database.connectionString);
    await session.query(`xa start ${global},${branch},77`);
    await session.query('insert into stock values (?, 1)', [sessions.length]);
    await session.query(`xa end ${global},${branch},77`);
    await session.query(`xa prepare ${global},${branch},77`);
    sessions.push(session);
  }
  const found = await story.manager.recovery.scan();
  const ours = found.filter(({ id }) => id?.transaction === own.transaction);
  assert.deepEqual(ours, []);
  // What is printed for people ends the branch that it is printed for.
  for (const session of sessions) session.destroy();
  for (const { id, text, sql } of found) {
    if (id !== undefined || !(text.includes(own.transaction.slice(0, -1)) || text.includes('5c27ff'))) continue;
    for (;;) {
      const error: number | undefined = await story.outside.query(sql.rollback).then(
        () => undefined,
        (failure: { errno?: number }) => failure.errno,
      );
      if (error === undefined) break;
      assert.equal(error, 1397);
    }
  }
  const left = (await story.manager.recovery.scan()).map(({ text }) => text);
  assert.deepEqual(
    left.filter((text) => text.includes(own.transaction.slice(0, -1)) || text.includes('5c27ff')),
    [],
  );
});

test('MariaDB: the fence inserts an abort row once, and reads what stands there afterwards', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { recovery } = story.manager;
  const { transaction } = story.nextId();
  assert.deepEqual(await recovery.fence(transaction), { kind: 'inserted' });
  assert.deepEqual(await recovery.fence(transaction), { kind: 'found', outcome: 'aborted' });

  const { branch, client } = await story.branch();
  await client.query('insert into stock values (1, 1)');
  await branch.end();
  await branch.commitWithMarker();
  assert.deepEqual(await recovery.fence(branch.id.transaction), { kind: 'found', outcome: 'committed' });

  await recovery.deleteMarkers([transaction, branch.id.transaction]);
  assert.deepEqual(await story.markers(), []);
});

test('MariaDB: a marker that is neither committed nor rolled back is no answer to the fence', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { transaction } = story.nextId();
  await story.outside.query('begin');
  await story.outside.query("insert into posthorn_marker (id, outcome) values (?, 'c')", [transaction]);
  const answer = await story.manager.recovery.fence(transaction);
  assert.equal(answer.kind, 'again');
  assert.match(answer.kind === 'again' ? answer.answer : '', /1205/);
  await story.outside.query('commit');
  assert.deepEqual(await story.manager.recovery.fence(transaction), { kind: 'found', outcome: 'committed' });
});

test('MariaDB: a session is gone when it has ended, or when its server has started since', async (t) => {
  if (requireMariadb(t) === undefined) return;
  await using server = await startMariadb();
  const resource = mysqlResource({ name: 'stock', connectionString: server.url, poolSize: 2 });
  const { resourceManager: manager } = resource;
  const id = {
    transaction: `P1.${'a'.repeat(26)}.${'b'.repeat(8)}.${'c'.repeat(6)}.${'d'.repeat(13)}`,
    qualifier: `${'e'.repeat(13)}.aa`,
  };
  const branch = await manager.begin({ id, isolationLevel: 'read committed', idleMsMax: 60_000 });
  assert.deepEqual(await manager.recovery.endSession(branch.session), { kind: 'gone' });
  assert.deepEqual(await manager.recovery.endSession(branch.session), { kind: 'gone' });
  await branch.rollback();

  const before = await manager.begin({ id, isolationLevel: 'read committed', idleMsMax: 60_000 });
  await server.restart({ immediate: true });
  // A session of the new life with that very number is another one, and stays.
  const number = Number(before.session.split(' ')[0]);
  const others = [];
  for (;;) {
    const other = await createConnection(server.url);
    others.push(other);
    if (other.threadId >= number) break;
  }
  assert.deepEqual(await manager.recovery.endSession(before.session), { kind: 'gone' });
  for (const other of others) {
    await other.query('select 1');
    await other.end();
  }
  await before.rollback();
  await manager.close();
});

test('MariaDB: a login that cannot see a session does not say that it is gone', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const user = `limited_${story.database.name.slice(-8)}`;
  await story.outside.query(`create user '${user}'@'%' identified by 'secret'`);
  await story.outside.query(`grant all on ${story.database.name}.* to '${user}'@'%'`);
  try {
    const url = Object.assign(new URL(story.database.connectionString), { username: user, password: 'secret' });
    const { recovery } = story.open({ connectionString: url.href }).resourceManager;
    const { branch } = await story.branch();
    const answer = await recovery.endSession(branch.session);
    assert.equal(answer.kind, 'again');
    assert.match(answer.kind === 'again' ? answer.answer : '', /PROCESS/);
    await branch.rollback();
  } finally {
    await story.outside.query(`drop user '${user}'@'%'`);
  }
});

test('MariaDB: marker rows are read for one queue manager and generation, below an epoch, page by page', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { recovery } = story.manager;
  const old = [1, 1, 2, 30, 31, 32, 33].map((epoch) => story.nextId({ epoch }).transaction);
  const current = story.nextId({ epoch: 40 }).transaction;
  const other = old[0]?.replace(story.queueManager, 'z'.repeat(26)) ?? '';
  const otherGeneration = old[0]?.replace(story.generation, 'q'.repeat(8)) ?? '';
  for (const id of [...old, current, other, otherGeneration]) await recovery.fence(id);

  const { queueManager, generation } = story;
  const read: string[] = [];
  for (;;) {
    const page = await recovery.readMarkers({
      queueManager,
      generation,
      belowEpoch: 40,
      countMax: 3,
      ...(read.length > 0 && { afterId: read.at(-1) ?? '' }),
    });
    read.push(...page.map(({ transaction }) => transaction));
    if (page.length < 3) break;
    assert.ok(page.every(({ outcome }) => outcome === 'aborted'));
  }
  assert.deepEqual(read.toSorted(), old.toSorted());
});

test('MariaDB: the witness rises within a generation, is refused otherwise, and is replaced on demand', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { witness } = story.manager.recovery;
  const { queueManager, generation } = story;
  const at = (epoch: number, opening = 'one'): Witness => ({
    queueManager,
    generation,
    epoch,
    opening: opening.padEnd(36, '-'),
  });

  assert.equal(await witness.read(queueManager), undefined);
  assert.deepEqual(await witness.raise(at(3)), { kind: 'raised' });
  assert.deepEqual(await witness.raise(at(3)), { kind: 'raised' });
  assert.deepEqual(await witness.raise(at(3, 'two')), { kind: 'refused', found: at(3) });
  assert.deepEqual(await witness.raise(at(2)), { kind: 'refused', found: at(3) });
  assert.deepEqual(await witness.raise(at(4, 'two')), { kind: 'raised' });
  const other = { ...at(9), generation: 'other234' };
  assert.deepEqual(await witness.raise(other), { kind: 'refused', found: at(4, 'two') });
  await witness.replace(other);
  assert.deepEqual(await witness.read(queueManager), other);
});

test('MariaDB: of two copies of a store that raise the same epoch at once, one is refused', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { queueManager, generation } = story;
  const managers = [story.manager, story.open().resourceManager];
  for (let epoch = 1; epoch <= 20; epoch++) {
    const answers = await Promise.all(
      managers.map(({ recovery }, index) =>
        recovery.witness.raise({ queueManager, generation, epoch, opening: `${index}`.padEnd(36, '-') }),
      ),
    );
    assert.deepEqual(answers.map(({ kind }) => kind).toSorted(), ['raised', 'refused']);
  }
});

function wish(branch: { readonly id: FinishRequest['id']; evidence(): FinishRequest['evidence'] }) {
  return { id: branch.id, evidence: branch.evidence(), mayHaveFinished: false };
}
