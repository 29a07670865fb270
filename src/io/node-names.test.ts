import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type Said, startNameServer } from '../../test/support/name-server.ts';
import { NameFailure, type Names } from './network.ts';
import { nodeNames } from './node-names.ts';

describe('the door to names', () => {
  test('an address is itself, written in one way', async (t) => {
    const { names } = setup(t);
    for (const [given, shown] of [
      ['10.0.0.2', '10.0.0.2'],
      ['::ffff:10.0.0.2', '10.0.0.2'],
      ['2001:DB8:0:0::2', '2001:db8::2'],
      ['fe80::1%eth0', 'fe80::1%eth0'],
    ] as const) {
      assert.deepEqual(await names.resolve(given, 1000), { addresses: [shown], source: 'it is an address' });
    }
  });

  test('the names file comes first, then the hosts file, then DNS; each is read again for each call', async (t) => {
    const dns = await startNameServer(t, () => ['10.0.0.3', '2001:db8::3']);
    const { names, files } = setup(t, { dns: [dns.address], names: '', hosts: '127.0.0.1 localhost\n' });
    const asked = (): Promise<unknown> => names.resolve('Beta.Test', 5000);
    assert.deepEqual(await asked(), { addresses: ['10.0.0.3', '2001:db8::3'], source: `DNS ${dns.address}` });
    writeFileSync(files.hosts, '# beta.test is here\n10.0.0.9 alphabeta.test\n10.0.0.2 gamma.test BETA.test # moved\n');
    assert.deepEqual(await asked(), { addresses: ['10.0.0.2'], source: 'hosts file' });
    writeFileSync(files.names, '10.0.0.1\tbeta.test\n::1 beta.test other.test\n10.0.0.1 beta.test');
    assert.deepEqual(await asked(), { addresses: ['10.0.0.1', '::1'], source: `names file ${files.names}` });
    writeFileSync(files.names, '');
    writeFileSync(files.hosts, '');
    dns.say = () => ['10.0.0.4'];
    assert.deepEqual(await asked(), { addresses: ['10.0.0.4'], source: `DNS ${dns.address}` });
  });

  test('a changed resolv.conf counts for the next call', async (t) => {
    const first = await startNameServer(t, () => ['10.0.0.1']);
    const second = await startNameServer(t, () => ['10.0.0.2']);
    const { names, files } = setup(t, { dns: [first.address] });
    assert.deepEqual((await names.resolve('beta.test', 5000)).addresses, ['10.0.0.1']);
    writeFileSync(files.resolvConf, `nameserver ${second.address}\n`);
    assert.deepEqual((await names.resolve('beta.test', 5000)).addresses, ['10.0.0.2']);
  });

  test('a names file that is missing stands in nobody’s way, but nobody can say that a name does not exist', async (t) => {
    const dns = await startNameServer(t, (name) => (name === 'beta.test' ? ['10.0.0.3'] : 'no such name'));
    const { names, files } = setup(t, { dns: [dns.address] });
    rmSync(files.names);
    assert.deepEqual((await names.resolve('beta.test', 5000)).addresses, ['10.0.0.3']);
    const failure = await failureOf(names.resolve('gamma.test', 5000));
    assert.equal(failure.code, 'SERVER_FAILED');
    assert.ok(failure.message.includes(`${files.names}, which may know it, cannot be read (ENOENT)`), failure.message);
  });

  test('a line of the names file without an address is told with its number', async (t) => {
    const { names } = setup(t, { names: '10.0.0.1 alpha\n10.0.0 beta\n' });
    assert.match((await failureOf(names.resolve('beta', 5000))).message, /line 2: '10\.0\.0' is no address/);
    assert.deepEqual((await names.resolve('alpha', 5000)).addresses, ['10.0.0.1']);
  });

  test('localhost is loopback without any file, and never asked of a server', async (t) => {
    const dns = await startNameServer(t, () => ['10.0.0.3']);
    const { names, files } = setup(t, { dns: [dns.address] });
    rmSync(files.hosts);
    for (const name of ['localhost', 'beta.LOCALHOST', 'localhost.'])
      assert.deepEqual((await names.resolve(name, 5000)).addresses, ['127.0.0.1', '::1']);
    assert.deepEqual(dns.questions, []);
  });

  test('fault 59: one family alone is an answer, whatever the other says', async (t) => {
    const others: readonly Said[] = ['no such name', 'failure', [], 'silence'];
    const dns = await startNameServer(t, () => []);
    const { names } = setup(t, { dns: [dns.address] });
    for (const other of others) {
      dns.say = (_name, type) => (type === 'A' ? ['10.0.0.3'] : other);
      assert.deepEqual((await names.resolve('beta.test', 5000)).addresses, ['10.0.0.3'], String(other));
      dns.say = (_name, type) => (type === 'AAAA' ? ['2001:db8::3'] : other);
      assert.deepEqual((await names.resolve('beta.test', 5000)).addresses, ['2001:db8::3'], String(other));
    }
  });

  test('fault 57: no such name, a failing server and a silent one are told apart', async (t) => {
    const dns = await startNameServer(t, () => 'no such name');
    const { names } = setup(t, { dns: [dns.address] });
    const failsWith = async (timeoutMs: number): Promise<NameFailure> =>
      await failureOf(names.resolve('beta.test', timeoutMs));
    assert.equal((await failsWith(5000)).code, 'NOT_FOUND');
    dns.say = () => [];
    const empty = await failsWith(5000);
    assert.equal(empty.code, 'NOT_FOUND');
    assert.ok(empty.message.includes(`DNS ${dns.address} has no address for 'beta.test'`), empty.message);
    dns.say = () => 'failure';
    const failing = await failsWith(5000);
    assert.equal(failing.code, 'SERVER_FAILED');
    assert.match(failing.message, /ESERVFAIL/);
    dns.say = (_name, type) => (type === 'A' ? 'no such name' : 'failure');
    assert.equal((await failsWith(5000)).code, 'SERVER_FAILED');
    dns.say = () => 'silence';
    const silent = await failsWith(300);
    assert.equal(silent.code, 'TIMEOUT');
    assert.match(silent.message, /within 300 ms/);
    dns.say = (_name, type) => (type === 'A' ? 'no such name' : 'silence');
    assert.equal((await failsWith(300)).code, 'TIMEOUT');
  });

  test('a port where no name server listens has failed', async (t) => {
    const { names } = setup(t, { dns: [`127.0.0.1:${await freePort()}`] });
    assert.equal((await failureOf(names.resolve('beta.test', 5000))).code, 'SERVER_FAILED');
  });

  test('the next server is asked when one fails or is silent, but not when one says no', async (t) => {
    const first = await startNameServer(t, () => 'failure');
    const second = await startNameServer(t, () => ['10.0.0.3']);
    const { names } = setup(t, { dns: [first.address, second.address] });
    assert.equal((await names.resolve('beta.test', 5000)).source, `DNS ${second.address}`);
    first.say = () => 'silence';
    assert.equal((await names.resolve('beta.test', 800)).source, `DNS ${second.address}`);
    second.say = () => 'silence';
    assert.equal((await failureOf(names.resolve('beta.test', 300))).code, 'TIMEOUT');
    const before = second.questions.length;
    first.say = () => 'no such name';
    assert.equal((await failureOf(names.resolve('beta.test', 5000))).code, 'NOT_FOUND');
    assert.equal(second.questions.length, before);
  });

  test('search domains are appended as resolv.conf says', async (t) => {
    const known = new Map<string, Said>();
    const dns = await startNameServer(t, (name) => known.get(name) ?? 'no such name');
    const askedFor = async (name: string, extra: string): Promise<readonly string[]> => {
      const { names } = setup(t, { dns: [dns.address], extra });
      dns.questions.length = 0;
      // Some of the names do not exist: what was asked is what counts here.
      await names.resolve(name, 5000).catch(() => undefined);
      return dns.questions.filter((question) => question.endsWith(' A')).map((question) => question.slice(0, -2));
    };
    const search = 'search one.test two.test.\n';
    assert.deepEqual(await askedFor('beta', search), ['beta.one.test', 'beta.two.test', 'beta']);
    assert.deepEqual(await askedFor('beta.three', search), [
      'beta.three',
      'beta.three.one.test',
      'beta.three.two.test',
    ]);
    assert.deepEqual(await askedFor('beta.three', `${search}options ndots:2 rotate\n`), [
      'beta.three.one.test',
      'beta.three.two.test',
      'beta.three',
    ]);
    assert.deepEqual(await askedFor('beta.', search), ['beta']);
    assert.deepEqual(await askedFor('beta', `${search}domain four.test\n`), ['beta.four.test', 'beta']);
    known.set('beta.two.test', ['10.0.0.3']);
    assert.deepEqual(await askedFor('beta', search), ['beta.one.test', 'beta.two.test']);
    known.set('beta.one.test', 'failure');
    const { names } = setup(t, { dns: [dns.address], extra: search });
    assert.deepEqual((await names.resolve('beta', 5000)).addresses, ['10.0.0.3']);
    known.delete('beta.two.test');
    assert.equal((await failureOf(names.resolve('beta', 5000))).code, 'SERVER_FAILED');
  });

  test('names that cannot be asked for do not exist', async (t) => {
    const dns = await startNameServer(t, () => 'no such name');
    const { names } = setup(t, { dns: [dns.address] });
    for (const name of ['', '.', 'a..b', 'x'.repeat(300)])
      assert.equal((await failureOf(names.resolve(name, 2000))).code, 'NOT_FOUND', name.slice(0, 10));
  });

  test('fault 57: a hundred names that nobody answers for hold up no file', async (t) => {
    const dns = await startNameServer(t, () => 'silence');
    const { names, files } = setup(t, { dns: [dns.address] });
    const waiting = Array.from({ length: 100 }, (_, index) => failureOf(names.resolve(`m${index}.test`, 1500)));
    const { readFile } = await import('node:fs/promises');
    for (let count = 0; count < 50; count++) await readFile(files.hosts);
    assert.equal(await Promise.race([...waiting, 'the files were read first']), 'the files were read first');
    for (const failure of await Promise.all(waiting)) assert.equal(failure.code, 'TIMEOUT');
  });
});

function setup(
  t: TestContext,
  options: {
    readonly dns?: readonly string[];
    readonly names?: string;
    readonly hosts?: string;
    readonly extra?: string;
  } = {},
): { names: Names; files: { names: string; hosts: string; resolvConf: string } } {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-names-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const files = {
    names: join(directory, 'names'),
    hosts: join(directory, 'hosts'),
    resolvConf: join(directory, 'resolv.conf'),
  };
  writeFileSync(files.names, options.names ?? '');
  writeFileSync(files.hosts, options.hosts ?? '');
  const servers = (options.dns ?? []).map((address) => `nameserver ${address}\n`);
  writeFileSync(files.resolvConf, `# made by a test\n${options.extra ?? ''}${servers.join('')}`);
  return {
    names: nodeNames({ namesFile: files.names, hostsFile: files.hosts, resolvConf: files.resolvConf }),
    files,
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : assert.fail('no port');
}

async function failureOf(attempt: Promise<unknown>): Promise<NameFailure> {
  const failure = await attempt.then(
    (answer) => assert.fail(`it was answered: ${JSON.stringify(answer)}`),
    (error: unknown) => error,
  );
  assert.ok(failure instanceof NameFailure, String(failure));
  return failure;
}
