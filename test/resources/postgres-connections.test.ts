import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { postgresResource } from '../../src/resources/postgres/postgres-resource.ts';
import type { Finding } from '../../src/transactions/resource-manager.ts';
import { giveTo, makeFolderOf, serverOwner } from '../../tools/databases/server-owner.ts';
import { startPostgres } from '../../tools/databases/start-postgres.ts';
import { makeTestAuthority } from '../support/certificates.ts';
import { freshDatabase, requirePostgres } from '../support/test-databases.ts';
import { beginOn, branchDoors, postgresStory } from './postgres-story.ts';

const ID = {
  transaction: `P1.${'a'.repeat(26)}.${'a'.repeat(8)}.aaaaaa.${'a'.repeat(13)}`,
  qualifier: 'aaaaaaaaaaaaa.aa',
};
const REQUEST = { id: ID, isolationLevel: 'read committed', idleMsMax: 60_000 } as const;

describe('connections to PostgreSQL', () => {
  test('idle ones do not keep a process alive', { timeout: 20_000 }, async (t) => {
    const server = requirePostgres(t);
    if (server === undefined) return;
    const child = spawn(
      process.execPath,
      ['--conditions=posthorn-source', join(import.meta.dirname, 'children', 'idle-connections.ts'), server.url],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    t.after(() => child.kill('SIGKILL'));
    const started = process.hrtime.bigint();
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
    assert.ok(Number(process.hrtime.bigint() - started) < 8e9, 'sooner than the spare connection’s ten seconds');
  });

  test('a session tells who it is, and carries the limits of the transaction', async (t) => {
    const server = requirePostgres(t);
    if (server === undefined) return;
    await using database = await freshDatabase(server);
    const { resourceManager } = postgresResource({ name: 'orders', connectionString: database.connectionString });
    const branch = await resourceManager.begin({ ...REQUEST, idleMsMax: 1000 });
    const client = branch.client as import('pg').PoolClient;
    const { rows } = await client.query(
      `select current_setting('application_name') as name, current_setting('idle_in_transaction_session_timeout') as idle,
              current_setting('statement_timeout') as statement`,
    );
    assert.deepEqual(rows, [{ name: 'posthorn orders', idle: '31s', statement: '1min' }]);
    await branch.rollback();
    await resourceManager.close();
  });

  test('with TLS the server proves its name, and a doctor tells one that does not', { timeout: 60_000 }, async (t) => {
    if (requirePostgres(t) === undefined) return;
    const directory = mkdtempSync(join(tmpdir(), 'posthorn-postgres-tls-'));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    const authority = await makeTestAuthority();
    const { key, certificate } = await authority.material('localhost');
    writeFileSync(join(directory, 'key'), key, { mode: 0o600 });
    writeFileSync(join(directory, 'certificate'), certificate);
    const owner = serverOwner('postgres');
    makeFolderOf(owner, directory);
    giveTo(owner, directory);
    const files = { ssl_key_file: join(directory, 'key'), ssl_cert_file: join(directory, 'certificate') };
    await using server = await startPostgres({ settings: { ssl: 'on', ...files } });
    const connectionString = Object.assign(new URL(server.url), { hostname: 'localhost' }).href;
    const vouched = postgresResource({ name: 'orders', connectionString, ssl: { ca: authority.certificate } });
    const branch = await vouched.resourceManager.begin(REQUEST);
    const client = branch.client as import('pg').PoolClient;
    const { rows } = await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
    assert.deepEqual(rows, [{ ssl: true }]);
    await branch.rollback();
    await vouched.resourceManager.close();
    const stranger = postgresResource({ name: 'orders', connectionString, ssl: true }).resourceManager;
    await assert.rejects(stranger.begin(REQUEST), { code: 'RESOURCE_UNAVAILABLE', message: /certificate/ });
    const findings: Finding[] = [];
    await stranger.setup.examine({ tables: [], branchCount: 1, tell: (finding) => findings.push(finding) });
    const failed = findings.filter(({ outcome }) => outcome === 'failed').map(({ step }) => step);
    assert.deepEqual(failed, ['tls']);
    await stranger.close();
  });

  test('one that has not sent its request yet has lost no answer, though its session is idle', async (t) => {
    const story = await postgresStory(t);
    if (story === undefined) return;
    let lookCount = 0;
    const look = async () => {
      // The network takes it at last.
      if (++lookCount === 3) connection.client.connection.stream.uncork();
      return 'idle' as const;
    };
    const { branch, connection, db } = await beginOn(story, branchDoors(t, story, { lookAfterMs: 50, look }));
    await db.query('select 1');
    connection.client.connection.stream.cork();
    assert.deepEqual((await db.query('select 2 as two')).rows, [{ two: 2 }]);
    assert.equal(lookCount, 3);
    await branch.rollback();
  });
});
