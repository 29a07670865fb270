import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { isPosthornError } from '../../src/message/posthorn-error.ts';
import type { PingReport } from '../../src/transfer/ping-report.ts';
import { makeTestAuthority } from '../support/certificates.ts';
import { LoopbackMachines } from '../support/loopback-machines.ts';

describe('when machines are pinged', { concurrency: 2 }, () => {
  test('two that are well see each other, and each tells what it saw', async () => {
    await using machines = new LoopbackMachines();
    const authority = await makeTestAuthority();
    for (const machine of ['alpha', 'beta']) {
      await machines.start(machine, { material: await authority.material(machine) });
    }
    const { exitCode, report } = await ping(machines, 'alpha', 'beta');
    assert.equal(exitCode, 0, JSON.stringify(report));
    for (const direction of [report.there, report.back]) {
      assert.deepEqual(
        direction?.steps.map(({ step, result }) => [step, result]),
        ['name', 'connect', 'tls', 'identity', 'version', 'clock', 'roundTrip'].map((step) => [step, 'ok']),
      );
    }
    assert.deepEqual([report.back?.from, report.back?.to], ['beta', 'alpha']);
    const printed = await machines.posthorn('alpha', 'ping', 'billing@beta');
    assert.match(printed.stdout, /alpha to beta is well\.\nbeta to alpha is well\.\n$/);
    assert.match(printed.stdout, /ok {6}name {8}beta is 127\.\S+ \(names file /);
  });

  test('from a directory that nobody runs one way is looked at, which is said', async () => {
    await using machines = new LoopbackMachines();
    machines.prepare('alpha');
    await machines.posthorn('alpha', 'send', 'x', '--create', '--body', '{}');
    await machines.start('beta');
    const { exitCode, report } = await ping(machines, 'alpha', 'beta');
    assert.deepEqual([exitCode, report.there.isReached, report.back], [0, true, undefined]);
    assert.match(report.backText ?? '', /No queue manager runs on this machine/);
  });

  test('keys that cannot be used are named, and nothing is opened with them', async () => {
    await using machines = new LoopbackMachines();
    const material = await (await makeTestAuthority()).material('alpha');
    const broken = { ...material, certificate: 'not a certificate' };
    await machines.posthorn('alpha', 'send', 'x', '--create', '--body', '{}');
    machines.prepare('alpha', { material: broken });
    const looked = await machines.posthorn('alpha', 'ping', 'beta');
    assert.deepEqual([looked.exitCode, looked.stdout], [1, '']);
    assert.match(looked.stderr, /^posthorn: The keys of this machine cannot be used: .*machine\.crt.*posthorn keys/);
    await assert.rejects(machines.start('alpha', { material: broken }), (error) =>
      isPosthornError(error, 'KEYS_UNUSABLE'),
    );
    await machines.start('alpha', { material });
  });

  test('a way back that fails is shown as the other side met it, with the port that is looked on there', async () => {
    await using machines = new LoopbackMachines();
    await machines.start('alpha');
    await machines.start('beta', { machines: { alpha: `${machines.addressOf('alpha')}:9` } });
    const { exitCode, report } = await ping(machines, 'alpha', 'beta');
    assert.deepEqual([exitCode, report.there.isReached, report.back?.isReached], [1, true, false]);
    const failed = report.back?.steps.find(({ result }) => result === 'failed');
    assert.equal(failed?.reason, 'CONNECT_REFUSED');
    assert.match(failed?.mend ?? '', /alpha says that it listens on port 21801, and beta looks on port 9/);
  });

  test('a name that nobody knows, and an address where nothing listens', async () => {
    await using machines = new LoopbackMachines();
    await machines.start('alpha');
    const unknown = await ping(machines, 'alpha', 'nowhere.invalid');
    const [named] = unknown.report.there.steps;
    assert.deepEqual([unknown.exitCode, named?.step, named?.result], [1, 'name', 'failed']);
    assert.match(named?.reason ?? '', /^NAME_/, 'which of the three depends on the name servers of this machine');
    machines.prepare('beta');
    assert.equal(await firstFailure(machines, 'alpha', 'beta'), 'connect CONNECT_REFUSED');
  });

  test('something that is not Posthorn, something that says nothing, and something that hangs up', async () => {
    await using machines = new LoopbackMachines();
    await machines.start('alpha');
    await using other = await Stranger.listen(machines, 'beta', (socket) => socket.write('220 mail.example ESMTP\r\n'));
    await using mute = await Stranger.listen(machines, 'gamma', () => undefined);
    assert.equal(await firstFailure(machines, 'alpha', 'beta'), 'identity NOT_POSTHORN');
    assert.equal(await firstFailure(machines, 'alpha', 'gamma'), 'identity HANDSHAKE_TIMEOUT');
    await using rude = await Stranger.listen(machines, 'delta', (socket) => socket.resetAndDestroy());
    assert.equal(await firstFailure(machines, 'alpha', 'delta'), 'identity RESET');
    assert.ok(other.connections > 0 && mute.connections > 0 && rude.connections > 0);
  });

  test('a machine without keys, and certificates: expired, of tomorrow, of an unknown authority, of another machine', async () => {
    await using machines = new LoopbackMachines();
    const authority = await makeTestAuthority();
    const stranger = await makeTestAuthority('Another authority');
    await machines.start('alpha', { material: await authority.material('alpha') });
    await machines.start('plain');
    assert.equal(await firstFailure(machines, 'alpha', 'plain'), 'tls NO_TLS');
    assert.equal(await firstFailure(machines, 'plain', 'alpha'), 'tls TLS_REQUIRED');
    await machines.start('late', { material: await authority.material('late', { validity: 'expired' }) });
    assert.equal(await firstFailure(machines, 'alpha', 'late'), 'tls CERTIFICATE_EXPIRED');
    assert.equal(await firstFailure(machines, 'late', 'alpha'), 'tls CERTIFICATE_REFUSED');
    await machines.start('early', { material: await authority.material('early', { validity: 'not yet' }) });
    assert.equal(await firstFailure(machines, 'alpha', 'early'), 'tls CERTIFICATE_NOT_YET_VALID');
    await machines.start('strange', {
      material: await stranger.material('strange', { authorities: authority.certificate }),
    });
    assert.equal(await firstFailure(machines, 'alpha', 'strange'), 'tls CERTIFICATE_UNTRUSTED');
    await machines.start('mask', { material: await authority.material('somebody-else') });
    assert.equal(await firstFailure(machines, 'alpha', 'mask'), 'identity CERTIFICATE_OF_ANOTHER_MACHINE');
    // The side that refused can see it too.
    const seen = (await machines.posthorn('alpha', 'incoming')).stdout;
    assert.match(seen, /: CERTIFICATE_EXPIRED/);
    assert.match(seen, /: (TLS_REQUIRED|NO_TLS)/);
  });
});

async function ping(
  machines: LoopbackMachines,
  from: string,
  to: string,
): Promise<{ readonly exitCode: number | undefined; readonly report: PingReport }> {
  const { exitCode, stdout, stderr } = await machines.posthorn(from, 'ping', to, '--json');
  assert.equal(stderr, '');
  return { exitCode, report: JSON.parse(stdout) };
}

/** Of the way there: the step and the reason; that there is a mend and an exit code of 1 goes without saying. */
async function firstFailure(machines: LoopbackMachines, from: string, to: string): Promise<string> {
  const { exitCode, report } = await ping(machines, from, to);
  const failed = report.there.steps.find(({ result }) => result === 'failed');
  assert.equal(exitCode, 1, JSON.stringify(report));
  assert.ok(failed?.mend !== undefined && failed.text !== '', JSON.stringify(report.there));
  return `${failed.step} ${failed.reason}`;
}

/** Another program at the address and port of a machine. */
class Stranger implements AsyncDisposable {
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(said: (socket: Socket) => void) {
    this.#server = createServer((socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      said(socket);
    });
  }

  static async listen(machines: LoopbackMachines, machine: string, said: (socket: Socket) => void): Promise<Stranger> {
    const stranger = new Stranger(said);
    machines.pointName(machine, machines.addressOf(machine));
    stranger.#server.listen(machines.port, machines.addressOf(machine));
    await once(stranger.#server, 'listening');
    return stranger;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
