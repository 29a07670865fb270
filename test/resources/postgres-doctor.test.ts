import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import pg from 'pg';
import type { PostgresOptions } from '../../src/resources/postgres/postgres-options.ts';
import { postgresResource } from '../../src/resources/postgres/postgres-resource.ts';
import type { Finding } from '../../src/transactions/resource-manager.ts';
import {
  freshDatabase,
  requirePostgres,
  requireUnpreparedPostgres,
  type TestServer,
} from '../support/test-databases.ts';

async function setup(t: TestContext, requireServer: (t: TestContext) => TestServer | undefined = requirePostgres) {
  const server = requireServer(t);
  if (server === undefined) return undefined;
  const database = await freshDatabase(server);
  const admin = new pg.Client(database.connectionString);
  await admin.connect();
  t.after(async () => {
    await admin.end();
    await database[Symbol.asyncDispose]();
  });
  const examine = async (
    options: Partial<PostgresOptions> = { connectionString: database.connectionString },
    { tables = [] as readonly string[], branchCount = 4 } = {},
  ): Promise<readonly Finding[]> => {
    const { resourceManager } = postgresResource({ name: 'orders', ...options });
    const findings: Finding[] = [];
    await resourceManager.setup.examine({ tables, branchCount, tell: (finding) => findings.push(finding) });
    await resourceManager.close();
    return findings;
  };
  const url = (changes: Partial<URL>): string => Object.assign(new URL(database.connectionString), changes).href;
  return { database, admin, examine, url };
}

/** The one finding that is not well, all that needs it being skipped. */
function trouble(findings: readonly Finding[]): Finding {
  const bad = findings.filter(({ outcome }) => outcome === 'failed' || outcome === 'warning');
  assert.equal(bad.length, 1, JSON.stringify(bad));
  const [finding] = bad;
  assert.ok(finding?.mend);
  return finding;
}

describe('posthorn doctor on PostgreSQL', () => {
  test('finds a password that is wrong', async (t) => {
    const { examine, url } = (await setup(t)) ?? {};
    if (examine === undefined || url === undefined) return;
    const findings = await examine({ connectionString: url({ password: 'wrong' }) });
    const { step, text, mend } = trouble(findings);
    assert.equal(step, 'login');
    assert.match(text, /password authentication failed/);
    assert.match(mend ?? '', /Correct the password of 'posthorn'/);
    assert.doesNotMatch(JSON.stringify(findings), /wrong/);
    assert.equal(findings.find(({ step: each }) => each === 'prepare and commit')?.outcome, 'skipped');
  });

  test("finds that one of Posthorn's tables was dropped", async (t) => {
    const { admin, examine } = (await setup(t)) ?? {};
    if (admin === undefined || examine === undefined) return;
    await admin.query('create table posthorn_witness (queue_manager text)');
    const finding = (await examine()).find(({ step }) => step === "Posthorn's tables");
    assert.equal(finding?.outcome, 'failed');
    assert.match(finding?.text ?? '', /somebody has dropped it/);
  });

  test('finds a database that is not there', async (t) => {
    const { examine, url } = (await setup(t)) ?? {};
    if (examine === undefined || url === undefined) return;
    const { step, mend } = trouble(await examine({ connectionString: url({ pathname: '/nowhere' }) }));
    assert.deepEqual([step, mend?.includes('create database "nowhere"')], ['login', true]);
  });

  test('finds a name that nobody knows', async (t) => {
    const { examine } = (await setup(t)) ?? {};
    if (examine === undefined) return;
    const findings = await examine({ host: 'nowhere.localhost.invalid', user: 'a' });
    assert.deepEqual([trouble(findings).step, findings[1]?.outcome], ['name', 'skipped']);
  });

  test('finds a server that speaks no TLS where it is asked for', async (t) => {
    const { examine, database } = (await setup(t)) ?? {};
    if (examine === undefined || database === undefined) return;
    const { step, text } = trouble(await examine({ connectionString: database.connectionString, ssl: true }));
    assert.equal(step, 'tls');
    assert.match(text, /does not support SSL/);
  });

  test('finds prepared transactions disabled, and that the marker row works all the same', async (t) => {
    const { examine, admin } = (await setup(t, requireUnpreparedPostgres)) ?? {};
    if (examine === undefined || admin === undefined) return;
    await admin.query(postgresResource({ name: 'orders' }).resourceManager.setup.sql);
    const findings = await examine();
    const { step, mend } = trouble(findings);
    assert.equal(step, 'prepared transactions');
    assert.match(mend ?? '', /max_prepared_transactions in postgresql\.conf to 4 or more/);
    const outcomes = new Map(findings.map((finding) => [finding.step, finding.outcome]));
    assert.deepEqual([outcomes.get('write and commit'), outcomes.get('prepare and commit')], ['ok', 'skipped']);
  });

  test('finds too few places for the concurrency', async (t) => {
    const { examine } = (await setup(t)) ?? {};
    if (examine === undefined) return;
    const { step, outcome, text } = trouble(await examine(undefined, { branchCount: 65 }));
    assert.deepEqual([step, outcome], ['prepared transactions', 'warning']);
    assert.match(text, /64.*65/);
  });

  test('finds tables that are missing, unlogged or somebody else’s', async (t) => {
    const { examine, admin } = (await setup(t)) ?? {};
    if (examine === undefined || admin === undefined) return;
    await admin.query('create table good (n int); create unlogged table bad (n int)');
    const findings = await examine(undefined, { tables: ['good', 'bad', 'none'] });
    const outcomes = findings.filter(({ step }) => step === 'tables').map(({ outcome }) => outcome);
    assert.deepEqual(outcomes, ['ok', 'warning', 'failed']);
  });

  test('finds a login without rights', async (t) => {
    const { examine, admin, url } = (await setup(t)) ?? {};
    if (examine === undefined || admin === undefined || url === undefined) return;
    const role = `posthorn_${randomBytes(6).toString('hex')}`;
    await admin.query(`create role ${role} login password 'guest'`);
    const connectionString = url({ username: role, password: 'guest' });
    const missing = trouble(await examine({ connectionString }));
    assert.equal(missing.step, "Posthorn's tables");
    assert.match(missing.mend ?? '', /create table if not exists posthorn_marker/);
    await admin.query(postgresResource({ name: 'orders' }).resourceManager.setup.sql);
    const forbidden = (await examine({ connectionString })).filter(({ outcome }) => outcome === 'failed');
    assert.deepEqual(
      forbidden.map(({ step }) => step),
      ["Posthorn's tables", 'write and commit', 'prepare and roll back', 'prepare and commit'],
    );
    assert.ok(forbidden.every(({ mend }) => mend?.includes('grant select, insert')));
    await admin.query(`grant select, insert, update, delete on posthorn_marker, posthorn_witness to ${role}`);
    assert.deepEqual(
      (await examine({ connectionString })).filter(({ outcome }) => outcome === 'failed'),
      [],
    );
    await admin.query(`drop owned by ${role}; drop role ${role}`);
  });

  test('leaves nothing behind', async (t) => {
    const { examine, admin } = (await setup(t)) ?? {};
    if (examine === undefined || admin === undefined) return;
    await admin.query(postgresResource({ name: 'orders' }).resourceManager.setup.sql);
    await examine();
    const { rows } = await admin.query(
      `select (select count(*)::int from posthorn_marker) as rows,
              (select count(*)::int from pg_prepared_xacts where database = current_database()) as prepared`,
    );
    assert.deepEqual(rows, [{ rows: 0, prepared: 0 }]);
  });
});
