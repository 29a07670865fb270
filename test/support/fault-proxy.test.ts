import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import pg from 'pg';
import { FaultProxy } from './fault-proxy.ts';
import { freshDatabase, requireMariadb, requirePostgres } from './test-databases.ts';

/** A server that answers every text with the same in capitals, behind a proxy. */
async function setup(t: TestContext) {
  const sessions: Session[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const session: Session = { socket, heard: '', ended: closeOf(socket) };
    sessions.push(session);
    socket.on('data', (bytes) => {
      session.heard += String(bytes);
      socket.write(String(bytes).toUpperCase());
    });
    socket.on('end', () => socket.end());
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  const proxy = await FaultProxy.start({ targetPort: typeof bound === 'object' ? (bound?.port ?? 0) : 0 });
  t.after(async () => {
    await proxy[Symbol.asyncDispose]();
    for (const { socket } of sessions) socket.destroy();
    server.close();
  });
  const open = async (address = proxy.address): Promise<Socket> => {
    const socket = connect({ host: address, port: proxy.port });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  /** `length`: of the answer. */
  const ask = async (socket: Socket, text: string, length = text.length): Promise<string> => {
    socket.write(text);
    let heard = '';
    while (heard.length < length) heard += String((await once(socket, 'data'))[0]);
    return heard;
  };
  return { proxy, server, sessions, open, ask };
}

interface Session {
  readonly socket: Socket;
  heard: string;
  readonly ended: Promise<unknown>;
}

describe('the fault proxy', () => {
  test('passes bytes and ends both ways', async (t) => {
    const { proxy, sessions, open, ask } = await setup(t);
    const client = await open();
    assert.equal(await ask(client, 'one'), 'ONE');
    assert.equal(await ask(client, 'two'), 'TWO');
    const gone = closeOf(client);
    client.end();
    await Promise.all([gone, sessions[0]?.ended]);
    assert.equal(sessions[0]?.heard, 'onetwo');
    assert.deepEqual(proxy.links, []);
  });

  test('frozen, it keeps what both sides say, and lets it go in order', async (t) => {
    const { proxy, open, ask } = await setup(t);
    const client = await open();
    await ask(client, 'before');
    proxy.freeze();
    const late = await open();
    client.write('one ');
    const [answer, lateAnswer] = [ask(client, 'two', 7), ask(late, 'late')];
    assert.equal(await Promise.race([answer, lateAnswer, turnsOfTheLoop(20)]), 'nothing');
    proxy.thaw();
    assert.deepEqual(await Promise.all([answer, lateAnswer]), ['ONE TWO', 'LATE']);
  });

  test('cuts both sides of all connections', async (t) => {
    const { proxy, sessions, open, ask } = await setup(t);
    const client = await open();
    await ask(client, 'one');
    const reset = new Promise((resolve) => client.once('error', resolve));
    proxy.cut();
    assert.match(String(await reset), /ECONNRESET/);
    await sessions[0]?.ended;
  });

  test('refuses connections while those that are open go on, and takes them again', async (t) => {
    const { proxy, open, ask } = await setup(t);
    const client = await open();
    await proxy.refuse();
    await assert.rejects(open(), { code: 'ECONNREFUSED' });
    assert.equal(await ask(client, 'on'), 'ON');
    await proxy.accept();
    assert.equal(await ask(await open(), 'again'), 'AGAIN');
  });

  test('keeps back the request in which a pattern matches, over the border of packets', async (t) => {
    const { proxy, sessions, open, ask } = await setup(t);
    const caught = proxy.trap(/COMMIT/i, 'request');
    const client = await open();
    await ask(client, 'begin; com');
    client.write('mit;');
    const { link } = await caught;
    assert.equal(sessions[0]?.heard, 'begin; com');
    link.letGo();
    await once(client, 'data');
    assert.equal(sessions[0]?.heard, 'begin; commit;');
    assert.equal(await ask(client, 'commit'), 'COMMIT', 'a trap catches once');
  });

  test('the server gets a kept request, and then the end, of a client that is gone', async (t) => {
    const { proxy, sessions, open, ask } = await setup(t);
    const client = await open();
    await ask(client, 'one ');
    const caught = proxy.trap(/two/, 'request');
    client.write('two');
    const { link } = await caught;
    const gone = closeOf(client);
    client.destroy();
    await gone;
    assert.equal(
      await Promise.race([sessions[0]?.ended, turnsOfTheLoop(20)]),
      'nothing',
      'it knows nothing of the end',
    );
    link.letGo();
    await sessions[0]?.ended;
    assert.equal(sessions[0]?.heard, 'one two');
  });

  test('loses an answer: the server has the request, the client a reset', async (t) => {
    const { proxy, sessions, open } = await setup(t);
    const client = await open();
    const caught = proxy.trap(/two/, 'answer');
    const heard: string[] = [];
    client.on('data', (bytes) => heard.push(String(bytes)));
    const reset = new Promise((resolve) => client.once('error', resolve));
    client.write('two');
    const { link, answered } = await caught;
    await answered;
    link.cut();
    assert.match(String(await reset), /ECONNRESET/);
    assert.deepEqual([sessions[0]?.heard, heard], ['two', []]);
  });

  test('closes either side alone', async (t) => {
    const { proxy, sessions, open, ask } = await setup(t);
    const first = await open();
    await ask(first, 'first');
    const reset = new Promise((resolve) => first.once('error', resolve));
    proxy.links[0]?.closeClient();
    await reset;
    assert.equal(sessions[0]?.socket.destroyed, false, 'the server sees nothing');
    const second = await open();
    await ask(second, 'second');
    proxy.links[1]?.closeServer();
    await sessions[1]?.ended;
    assert.equal(second.destroyed, false, 'the client sees nothing');
  });

  test('moves to another address; the old one goes silent, or refuses', async (t) => {
    const { proxy, open, ask } = await setup(t);
    const stale = await open();
    await proxy.moveTo('127.0.0.2', 'silent');
    const nobody = [ask(stale, 'old'), ask(await open('127.0.0.1'), 'old too')];
    assert.equal(await ask(await open('127.0.0.2'), 'new'), 'NEW');
    assert.equal(await Promise.race([...nobody, turnsOfTheLoop(20)]), 'nothing');
    await proxy.moveTo('127.0.0.3', 'refuses');
    await assert.rejects(open('127.0.0.2'), { code: 'ECONNREFUSED' });
    assert.equal(await ask(await open('127.0.0.3'), 'newer'), 'NEWER');
  });

  test('a commit that PostgreSQL carried out while its answer was lost', async (t) => {
    const server = requirePostgres(t);
    if (server === undefined) return;
    await using database = await freshDatabase(server);
    await using proxy = await FaultProxy.start({ targetPort: Number(new URL(server.url).port) });
    const client = new pg.Client(proxy.url(database.connectionString));
    client.on('error', () => undefined);
    await client.connect();
    await client.query('create table t(id int)');
    const caught = proxy.trap(/commit/, 'answer');
    const commit = assert.rejects(client.query('begin; insert into t values (1); commit'), /terminated|ECONNRESET/);
    const { link, answered } = await caught;
    await answered;
    link.cut();
    await commit;
    const other = new pg.Client(database.connectionString);
    await other.connect();
    assert.deepEqual((await other.query('select id from t')).rows, [{ id: 1 }]);
    await other.end();
  });

  test('a commit that MariaDB gets long after its client is gone', async (t) => {
    const server = requireMariadb(t);
    if (server === undefined) return;
    await using database = await freshDatabase(server);
    await using proxy = await FaultProxy.start({ targetPort: Number(new URL(server.url).port) });
    const client = await createConnection(proxy.url(database.connectionString));
    client.on('error', () => undefined);
    await client.query('create table t(id int) engine = innodb');
    await client.query('begin');
    await client.query('insert into t values (1)');
    const caught = proxy.trap(/commit/, 'request');
    const commit = client.query('commit').catch(() => 'lost');
    const { link, answered } = await caught;
    link.closeClient();
    assert.equal(await commit, 'lost');
    const other = await createConnection(database.connectionString);
    assert.deepEqual((await other.query<RowDataPacket[]>('select id from t'))[0], []);
    link.letGo();
    await answered;
    assert.deepEqual((await other.query<RowDataPacket[]>('select id from t'))[0], [{ id: 1 }]);
    await other.end();
  });
});

function closeOf(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve));
}

/** Enough for bytes to pass through loopback, were they to pass. */
async function turnsOfTheLoop(count: number): Promise<'nothing'> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
  return 'nothing';
}
