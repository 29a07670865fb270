import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import { nodeNetwork } from '../../src/io/node-network.ts';
import { readTlsFiles } from '../../src/io/tls-files.ts';
import { makeAuthority } from '../../src/keys/make-authority.ts';
import { makeMachineCertificate } from '../../src/keys/make-machine-certificate.ts';
import { makeTestAuthority, writeTlsFiles } from '../support/certificates.ts';
import { jsonLines, posthorn, temporaryDirectory } from '../support/command-line.ts';
import { ended, listening } from '../support/connections.ts';

describe('when machines need certificates', { concurrency: 2 }, () => {
  test('an authority and a certificate for each machine are made, and the machines prove themselves with them', async (t) => {
    using data = temporaryDirectory();
    const alpha = join(data.path, 'alpha');
    const bundle = join(data.path, 'for-beta');
    const made = await posthorn(['keys', 'authority', '--directory', alpha]);
    assert.equal(made.exitCode, 0, made.stderr);
    assert.match(made.stdout, /Made the certificate authority 'Posthorn authority [0-9a-f]{8}', valid until 20\d\d-/);
    assert.equal((await posthorn(['keys', 'machine', 'alpha', '--directory', alpha])).exitCode, 0);
    assert.equal((await posthorn(['keys', 'machine', 'Beta', '--out', bundle, '--directory', alpha])).exitCode, 0);
    assert.deepEqual(readdirSync(join(alpha, 'keys')).sort(), [
      'authority.crt',
      'authority.key',
      'machine.crt',
      'machine.key',
    ]);
    assert.deepEqual(readdirSync(bundle).sort(), ['authority.crt', 'machine.crt', 'machine.key']);
    for (const key of [join(alpha, 'keys/authority.key'), join(alpha, 'keys/machine.key'), join(bundle, 'machine.key')])
      assert.equal(statSync(key).mode & 0o777, 0o600, key);

    const network = nodeNetwork();
    const { listener, accepted } = await listening(t, network, { tls: materialIn(bundle) });
    const tls = materialIn(join(alpha, 'keys'));
    const near = await network.connect({ address: '127.0.0.1', port: listener.port, timeoutMs: 5000, tls });
    const far = ended(await accepted());
    assert.deepEqual(near.certificateNames, ['beta']);
    assert.deepEqual(far.connection.certificateNames, ['alpha']);
    near.end();
    assert.equal(await far.closed, undefined);
  });

  test('a key is never overwritten without being told', async () => {
    using data = temporaryDirectory();
    const directory = ['--directory', data.path];
    const contents = (): string[] =>
      ['authority.crt', 'authority.key', 'machine.crt', 'machine.key'].map((name) =>
        readFileSync(join(data.path, 'keys', name), 'utf8'),
      );
    await posthorn(['keys', 'authority', ...directory]);
    await posthorn(['keys', 'machine', 'alpha', ...directory]);
    const before = contents();
    for (const verb of [['authority'], ['machine', 'alpha']]) {
      const again = await posthorn(['keys', ...verb, ...directory]);
      assert.equal(again.exitCode, 1);
      assert.match(again.stderr, /is there already\. Add --replace/);
    }
    assert.deepEqual(contents(), before);
    assert.equal((await posthorn(['keys', 'machine', 'alpha', '--replace', ...directory])).exitCode, 0);
    const after = contents();
    assert.deepEqual(after.slice(0, 2), before.slice(0, 2));
    assert.notEqual(after[2], before[2]);
    assert.notEqual(after[3], before[3]);
    assert.equal((await posthorn(['keys', 'show', ...directory])).exitCode, 0);
    assert.equal((await posthorn(['keys', 'authority', '--replace', ...directory])).exitCode, 0);
    const shown = await posthorn(['keys', 'show', ...directory]);
    assert.equal(shown.exitCode, 1);
    assert.match(shown.stdout, /WRONG +no authority in authority\.crt made it/);
  });

  test('a directory that is there keeps its rights when a bundle is written into it', async () => {
    using data = temporaryDirectory();
    const shared = join(data.path, 'shared');
    mkdirSync(shared);
    chmodSync(shared, 0o755);
    await posthorn(['keys', 'authority', '--directory', data.path]);
    await posthorn(['keys', 'machine', 'beta', '--out', shared, '--directory', data.path]);
    assert.equal(statSync(shared).mode & 0o777, 0o755);
    assert.equal(statSync(join(shared, 'machine.key')).mode & 0o777, 0o600);
  });

  test('show tells names, days left and fingerprints, as lines that fit 80 columns and as JSON', async () => {
    using data = temporaryDirectory();
    const directory = ['--directory', data.path];
    const none = await posthorn(['keys', 'show', ...directory]);
    assert.equal(none.exitCode, 0);
    assert.match(none.stdout, /No keys in/);
    await posthorn(['keys', 'authority', '--name', 'House', ...directory]);
    const made = await posthorn(['keys', 'machine', 'alpha', '--days', '90', '--json', ...directory]);
    assert.equal(jsonLines(made.stdout)[0]?.authority, 'House');
    const shown = await posthorn(['keys', 'show', ...directory]);
    assert.equal(shown.exitCode, 0);
    assert.match(
      shown.stdout,
      /authority House\n[\s\S]*machine alpha\n[\s\S]*89 days left\n +made by +House\n +SHA-256 +[0-9a-f]{64}\n/,
    );
    for (const line of shown.stdout.split('\n')) if (!line.includes(data.path)) assert.ok(line.length <= 80, line);
    const [authority, machine] = jsonLines((await posthorn(['keys', 'show', '--json', ...directory])).stdout);
    assert.deepEqual([authority?.kind, authority?.names, authority?.hasKey], ['authority', ['House'], true]);
    assert.deepEqual([machine?.kind, machine?.names, machine?.daysLeft], ['machine', ['alpha'], 89]);
    assert.deepEqual(machine?.problems, []);
    assert.match(String(machine?.validUntil), /^\d{4}-\d\d-\d\dT/);
  });

  test('show says what is wrong: expired, not yet valid, expiring, without its key, or a key that others may read', async () => {
    const authority = await makeTestAuthority();
    const cases: readonly [(keys: string) => Promise<unknown>, RegExp][] = [
      [async (keys) => writeTlsFiles(keys, await authority.material('a', { validity: 'expired' })), /it has expired/],
      [async (keys) => writeTlsFiles(keys, await authority.material('a', { validity: 'not yet' })), /not valid yet/],
      [async (keys) => writeTlsFiles(keys, await authority.material('a')), /expires soon/],
      [
        async (keys) => writeTlsFiles(keys, { ...(await authority.material('a')), key: authority.key }),
        /its key is not in/,
      ],
      [
        async (keys) => {
          writeTlsFiles(keys, await authority.material('a'));
          chmodSync(join(keys, 'machine.key'), 0o644);
        },
        /others may read .*machine\.key: chmod 600/,
      ],
      [
        async (keys) => writeTlsFiles(keys, { ...(await authority.material('a')), key: 'x' }),
        /machine\.key' cannot be used/,
      ],
    ];
    for (const [prepare, text] of cases) {
      using data = temporaryDirectory();
      const keys = join(data.path, 'keys');
      mkdirSync(keys);
      await prepare(keys);
      const shown = await posthorn(['keys', 'show', '--directory', data.path]);
      assert.equal(shown.exitCode, 1, String(text));
      assert.match(shown.stdout, text);
    }
  });

  test('without an authority, with a damaged one or a wrong name, nothing is written and the mend is said', async () => {
    using data = temporaryDirectory();
    const directory = ['--directory', data.path];
    const missing = await posthorn(['keys', 'machine', 'alpha', ...directory]);
    assert.equal(missing.exitCode, 1);
    assert.match(missing.stderr, /no certificate authority here[\s\S]*posthorn keys authority/);
    assert.deepEqual(readdirSync(data.path), []);
    await posthorn(['keys', 'authority', ...directory]);
    const wrong = await posthorn(['keys', 'machine', 'be_ta', ...directory]);
    assert.equal(wrong.exitCode, 2);
    assert.match(wrong.stderr, /'be_ta' is not the name of a machine/);
    writeFileSync(join(data.path, 'keys/authority.crt'), 'x');
    const damaged = await posthorn(['keys', 'machine', 'alpha', ...directory]);
    assert.equal(damaged.exitCode, 1);
    assert.match(damaged.stderr, /authority\.crt' cannot be used: it holds no whole certificate/);
    assert.deepEqual(readdirSync(join(data.path, 'keys')).sort(), ['authority.crt', 'authority.key']);
  });

  test('a certificate never outlives its authority, and an expired authority makes none', async () => {
    using data = temporaryDirectory();
    const { clock, random } = nodeIo();
    const later = (days: number) => ({
      random,
      clock: { ...clock, wallNowMs: () => clock.wallNowMs() + days * 86_400_000 },
    });
    const options = { replaces: false } as const;
    const authority = await makeAuthority(data.path, { ...options, io: later(0), days: 100 });
    const made = await makeMachineCertificate(data.path, 'alpha', { ...options, io: later(0) });
    assert.ok(Math.abs(made.notAfterMs - authority.notAfterMs) < 1000);
    await assert.rejects(makeMachineCertificate(data.path, 'alpha', { replaces: true, io: later(101) }), {
      code: 'KEY_FILE_UNUSABLE',
      message: /it expired on/,
    });
  });
});

function materialIn(directory: string) {
  return readTlsFiles({
    key: join(directory, 'machine.key'),
    certificate: join(directory, 'machine.crt'),
    authorities: join(directory, 'authority.crt'),
  });
}
