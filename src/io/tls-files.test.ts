import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { makeTestAuthority, writeTlsFiles } from '../../test/support/certificates.ts';
import { ended, listening } from '../../test/support/connections.ts';
import { SimulatedClock } from '../testing/simulated-clock.ts';
import { SimulatedTimers } from '../testing/simulated-timers.ts';
import type { TlsMaterial } from './network.ts';
import { nodeNetwork } from './node-network.ts';
import { openTlsFiles, type TlsFilePaths, TlsFilesFailure } from './tls-files.ts';

describe('files of TLS', () => {
  test('what is there at first is used', async (t) => {
    const alpha = await (await makeTestAuthority()).material('alpha');
    assert.deepEqual(setup(t, writeTlsFiles(temporaryDirectory(t), alpha)).files.material, alpha);
  });

  test('replaced files are used by new connections without a restart', async (t) => {
    const authority = await makeTestAuthority();
    const alpha = await authority.material('alpha');
    const directory = temporaryDirectory(t);
    const { files, passLook } = setup(t, writeTlsFiles(directory, await authority.material('beta')));
    const network = nodeNetwork();
    const { listener, accepted } = await listening(t, network, { tls: files.material });
    files.onChange((material) => listener.replaceTls(material));
    const namesNow = async (): Promise<readonly string[]> => {
      const { port } = listener;
      const near = await network.connect({ address: '127.0.0.1', port, timeoutMs: 5000, tls: alpha });
      const far = ended(await accepted());
      near.end();
      await far.closed;
      return near.certificateNames;
    };
    assert.deepEqual(await namesNow(), ['beta']);
    writeTlsFiles(directory, await authority.material('beta-anew'));
    assert.deepEqual(await namesNow(), ['beta']);
    passLook();
    assert.deepEqual(await namesNow(), ['beta-anew']);
  });

  test('halves that do not fit stay out of use; only when they last are they told, and once', async (t) => {
    const authority = await makeTestAuthority();
    const first = await authority.material('beta');
    const second = await authority.material('beta');
    const { files, passLook, changes, failures } = setup(t, writeTlsFiles(temporaryDirectory(t), first));
    const paths = files.paths;
    writeFileSync(paths.key, second.key);
    passLook();
    writeFileSync(paths.certificate, second.certificate);
    passLook();
    assert.deepEqual(changes, [second]);
    assert.deepEqual(failures, []);

    writeFileSync(paths.certificate, first.certificate);
    for (let look = 0; look < 4; look++) passLook();
    assert.deepEqual(failures, [`The certificate ${paths.certificate} is not of the key ${paths.key}.`]);
    assert.deepEqual(files.material, second);
    writeFileSync(paths.certificate, '');
    for (let look = 0; look < 4; look++) passLook();
    assert.equal(failures.length, 2);
    assert.match(failures[1] ?? '', /holds no certificate/);
    writeFileSync(paths.certificate, second.certificate);
    passLook();
    assert.deepEqual(changes, [second]);
    rmSync(paths.authorities);
    passLook();
    passLook();
    assert.match(failures[2] ?? '', /authorities.*cannot be read \(ENOENT\)/);
  });

  test('what cannot be used at first is refused with the name of the file', async (t) => {
    const authority = await makeTestAuthority();
    const good = await authority.material('beta');
    const other = await authority.material('beta');
    const broken: readonly [TlsMaterial, RegExp][] = [
      [{ ...good, key: 'x' }, /machine\.key holds no key that can be used/],
      [{ ...good, key: other.key }, /machine\.crt is not of the key .*machine\.key/],
      [
        { ...good, certificate: good.certificate.replace(/\n.{20}/, '\n') },
        /machine\.crt, holds a damaged certificate/,
      ],
      [{ ...good, authorities: good.key }, /authority\.crt, holds no certificate/],
    ];
    for (const [material, text] of broken) {
      const paths = writeTlsFiles(temporaryDirectory(t), material);
      assert.throws(
        () => openTlsFiles(paths, { timers: new SimulatedTimers(new SimulatedClock()), failed: assert.fail }),
        (error) => error instanceof TlsFilesFailure && text.test(error.message),
        String(text),
      );
    }
  });

  test('nothing is read after the end', async (t) => {
    const { files, timers } = setup(
      t,
      writeTlsFiles(temporaryDirectory(t), await (await makeTestAuthority()).material('a')),
    );
    files.close();
    assert.equal(timers.armedCount, 0);
  });
});

function setup(t: TestContext, paths: TlsFilePaths) {
  const clock = new SimulatedClock();
  const timers = new SimulatedTimers(clock);
  const changes: TlsMaterial[] = [];
  const failures: string[] = [];
  const opened = openTlsFiles(paths, { timers, failed: ({ message }) => failures.push(message) });
  t.after(() => opened.close());
  opened.onChange((material) => changes.push(material));
  const passLook = (): void => {
    clock.advance(2000);
    timers.runDue();
  };
  return { files: Object.assign(opened, { paths }), timers, changes, failures, passLook };
}

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-tls-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}
