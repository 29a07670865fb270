import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isPosthornError } from '../message/posthorn-error.ts';
import { type NetworkOptions, readNetworkSettings } from './network-options.ts';

test('nothing said means: nobody can connect, port 1801 elsewhere, no TLS, no plaintext beyond loopback', async () => {
  const settings = await readNetworkSettings(directoryWith());
  assert.equal(settings.listen, undefined);
  assert.equal(settings.port, 1801);
  assert.equal(settings.tls, undefined);
  assert.equal(settings.allowPlaintext, false);
});

test('options win over the file, and the file over the defaults', async () => {
  const directory = directoryWith({
    listen: { port: 1900 },
    machines: { Beta: 'beta.internal:1802', gamma: '[::1]:5' },
  });
  const settings = await readNetworkSettings(directory, { listen: { port: 2000, address: '127.0.0.5' } });
  assert.deepEqual(settings.listen, { port: 2000, address: '127.0.0.5' });
  assert.deepEqual(
    [...settings.machines],
    [
      ['beta', { host: 'beta.internal', port: 1802 }],
      ['gamma', { host: '::1', port: 5 }],
    ],
  );
});

test('a machine without a port is reached at the default one, a bare IPv6 address too', async () => {
  const { machines } = await readNetworkSettings(directoryWith(), {
    port: 7000,
    machines: { a: 'host', b: 'fe80::1' },
  });
  assert.deepEqual(
    [...machines.values()],
    [
      { host: 'host', port: 7000 },
      { host: 'fe80::1', port: 7000 },
    ],
  );
});

test('paths in the file are seen from its directory', async () => {
  const directory = directoryWith({ namesFile: 'names', tls: { key: 'k', certificate: '/c', authorities: 'a' } });
  const settings = await readNetworkSettings(directory);
  assert.equal(settings.namesFile, join(directory, 'names'));
  assert.deepEqual(settings.tls, { key: join(directory, 'k'), certificate: '/c', authorities: join(directory, 'a') });
});

test("keys that 'posthorn keys' made are used without being named, and `tls: false` leaves them", async () => {
  const directory = directoryWith();
  mkdirSync(join(directory, 'keys'));
  writeFileSync(join(directory, 'keys', 'machine.key'), '');
  assert.equal((await readNetworkSettings(directory)).tls?.certificate, join(directory, 'keys', 'machine.crt'));
  assert.equal((await readNetworkSettings(directory, { tls: false })).tls, undefined);
});

test('an address beyond loopback is listened on with keys, or when plaintext is allowed in words', async () => {
  const listen = { address: '10.0.0.5' };
  const tls = { key: 'a', certificate: 'b', authorities: 'c' };
  for (const options of [{ listen, tls }, { listen, allowPlaintext: true }, { listen: { address: '127.0.0.9' } }]) {
    const settings = await readNetworkSettings(directoryWith(), options);
    assert.equal(settings.listen?.address, options.listen.address);
  }
});

const wrong: readonly (readonly [string, unknown, string])[] = [
  ['a port that is none', { port: 70_000 }, 'port'],
  ['a port in words', { listen: { port: '1801' } }, 'listen.port'],
  ['an unknown part of listen', { listen: { prot: 1 } }, 'listen.prot'],
  ['a machine without a host', { machines: { beta: '' } }, 'machines.beta'],
  ['a machine with two ports', { machines: { beta: 'host:1:2x' } }, 'machines.beta'],
  ['an alias that is no machine name', { aliases: ['a b'] }, 'a b'],
  ['an address beyond loopback without keys', { listen: { address: '0.0.0.0' } }, 'allowPlaintext'],
  ['plaintext in words', { allowPlaintext: 'yes' }, 'allowPlaintext'],
];
for (const [what, options, named] of wrong) {
  test(`${what} is refused with its name and value`, async () => {
    await assert.rejects(readNetworkSettings(directoryWith(), options as NetworkOptions), (error: Error) =>
      error.message.includes(named),
    );
  });
}

test('a file that is not what it should be is refused, naming the file', async () => {
  for (const text of ['{', '[]', '{"lisen": {}}']) {
    const directory = mkdtempSync(join(tmpdir(), 'posthorn-network-'));
    writeFileSync(join(directory, 'network.json'), text);
    await assert.rejects(
      readNetworkSettings(directory),
      (error: unknown) => isPosthornError(error, 'NETWORK_FILE_INVALID') && error.message.includes('network.json'),
    );
  }
});

function directoryWith(file?: object): string {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-network-'));
  if (file !== undefined) writeFileSync(join(directory, 'network.json'), JSON.stringify(file));
  return directory;
}
