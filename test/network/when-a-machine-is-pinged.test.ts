import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { PingDirection, PingReport } from '../../src/transfer/ping-report.ts';
import type { Reason } from '../../src/transfer/reasons.ts';
import { requireCapability } from '../support/capabilities.ts';
import { makeTestAuthority } from '../support/certificates.ts';
import { networkDirectory, TestNetwork, whyNoNamespaces } from './network-namespaces.ts';
import { MachineHost, type MachineOptions, prepareDirectory } from './test-machine-host.ts';
import { OPEN } from './traffic-story.ts';

/*
 * Each failure that `posthorn ping` tells apart, with a real name server, real packets and real certificates.
 */
describe('when a machine is pinged', { concurrency: 3, timeout: 240_000 }, () => {
  test('a name that nobody knows, a name server that fails, and one that is mute are told apart', async (t) => {
    const street = await Street.make(t, ['alpha']);
    if (street === undefined) return;
    await street.start('alpha', OPEN);
    const unknown = await street.fails('alpha', 'gamma', 'name NAME_NOT_FOUND');
    assert.match(unknown, /gamma/);
    assert.match(unknown, /or say where gamma is: machines: { "gamma": "host:port" } in network\.json/);
    await street.network.setName('gamma', 'failure');
    assert.match(await street.fails('alpha', 'gamma', 'name NAME_SERVER_FAILED'), /10\.77\.0\.1/);
    await street.network.setName('gamma', 'silence');
    assert.match(await street.fails('alpha', 'gamma', 'name NAME_TIMEOUT'), /\/etc\/resolv\.conf/);
  });

  test('silence (a firewall), a refusal (nothing listens) and a missing route are told apart', async (t) => {
    const street = await Street.make(t, ['alpha', 'beta']);
    if (street === undefined) return;
    await street.start('alpha', OPEN);
    const refused = await street.fails('alpha', 'beta', 'connect CONNECT_REFUSED');
    assert.match(refused, /Start the queue manager of beta with a listener on port 1801/);
    street.network.dropIncoming('beta', { port: 1801 });
    const silent = await street.fails('alpha', 'beta', 'connect CONNECT_TIMEOUT');
    assert.match(silent, /Let TCP port 1801 to 10\.77\.0\.12 through the firewalls/);
    assert.match(silent, /ok +name +beta is 10\.77\.0\.12 \(DNS 10\.77\.0\.1\)/);
    await street.network.setName('beta', ['10.99.0.1']);
    const unreachable = await street.fails('alpha', 'beta', 'connect UNREACHABLE');
    assert.match(unreachable, /still at 10\.99\.0\.1: if it has another address now, correct the name/);
  });

  test('one dead address among several is a warning, and the machine is reached at another', async (t) => {
    const street = await Street.make(t, ['alpha', 'beta']);
    if (street === undefined) return;
    await street.start('alpha', OPEN);
    await street.start('beta', OPEN);
    await street.network.setName('beta', ['10.99.0.1', '10.77.0.12']);
    const { exitCode, report } = await street.ping('alpha', 'beta');
    assert.deepEqual([exitCode, report.there.isReached], [0, true], JSON.stringify(report));
    const dead = report.there.steps.find(({ address }) => address === '10.99.0.1');
    assert.deepEqual([dead?.result, dead?.reason], ['warning', 'UNREACHABLE']);
  });

  test('another machine that answers is named, and sees that it was taken for somebody else', async (t) => {
    const street = await Street.make(t, ['alpha', 'gamma']);
    if (street === undefined) return;
    await street.start('alpha', OPEN);
    const gamma = await street.start('gamma', OPEN);
    await street.network.setName('beta', ['10.77.0.12']);
    const wrong = await street.fails('alpha', 'beta', 'identity WRONG_HOST');
    assert.match(wrong, /At 10\.77\.0\.12 stands another machine: correct the address of 'beta'/);
    assert.match(wrong, /gamma/);
    const { stdout } = await gamma.posthorn(['incoming']);
    assert.match(stdout, /10\.77\.0\.11, says it is alpha: WRONG_HOST\n +.*wants 'beta', and this is 'gamma'/);
  });

  test('who speaks no TLS, who wants TLS, and who is no queue manager', async (t) => {
    const street = await Street.make(t, ['alpha', 'plain', 'mail', 'mute', 'web']);
    if (street === undefined) return;
    const authority = await makeTestAuthority();
    await street.start('alpha', { listen: { port: 1801 }, material: await authority.material('alpha') });
    await street.start('plain', OPEN);
    const keys = join(street.prepare('web', { material: await authority.material('web') }), 'keys');
    for (const [host, ...given] of [['mail'], ['mute'], ['web', keys]] as const) {
      await street.startStranger(host, [host, ...given]);
    }
    const noTls = await street.fails('alpha', 'plain', 'tls NO_TLS');
    assert.match(noTls, /Give plain keys \('posthorn keys'\), so that it speaks TLS on port 1801/);
    assert.match(await street.fails('plain', 'alpha', 'tls TLS_REQUIRED'), /Give this machine keys of the authority/);
    await street.fails('alpha', 'mail', 'tls NO_TLS');
    assert.match(
      await street.fails('plain', 'mail', 'identity NOT_POSTHORN'),
      /Another program answers at 10\.77\.0\.13/,
    );
    await street.fails('alpha', 'web', 'identity NOT_POSTHORN');
    await Promise.all([
      street.fails('alpha', 'mute', 'tls HANDSHAKE_TIMEOUT'),
      street.fails('plain', 'mute', 'identity HANDSHAKE_TIMEOUT'),
    ]);
  });

  test('a certificate that is expired, of tomorrow, of another machine or of another authority is told to both sides', async (t) => {
    const hosts = ['alpha', 'late', 'early', 'strange', 'mask', 'nobody'];
    const street = await Street.make(t, hosts);
    if (street === undefined) return;
    const authority = await makeTestAuthority();
    const { certificate: authorities } = authority;
    const material = {
      alpha: await authority.material('alpha'),
      late: await authority.material('late', { validity: 'expired' }),
      early: await authority.material('early', { validity: 'not yet' }),
      strange: await (await makeTestAuthority('Strange authority')).material('strange', { authorities }),
      mask: await authority.material('somebody-else'),
    };
    const [alpha] = await Promise.all(
      Object.entries(material).map(([machine, own]) =>
        street.start(machine, { listen: { port: 1801 }, material: own }),
      ),
    );
    const expired = await street.fails('alpha', 'late', 'tls CERTIFICATE_EXPIRED');
    assert.match(expired, /Make a new certificate for late \('posthorn keys'\); it is read without a restart/);
    await street.fails('alpha', 'early', 'tls CERTIFICATE_NOT_YET_VALID');
    await street.fails('alpha', 'strange', 'tls CERTIFICATE_UNTRUSTED');
    const another = await street.fails('alpha', 'mask', 'identity CERTIFICATE_OF_ANOTHER_MACHINE');
    assert.match(another, /somebody-else/);
    // The other way round it is the other side that refuses, and says no more than that.
    for (const machine of ['late', 'early', 'strange']) {
      const refused = await street.fails(machine, 'alpha', 'tls CERTIFICATE_REFUSED');
      assert.match(refused, /See 'posthorn incoming' on alpha for why/);
    }
    await street.fails('mask', 'alpha', 'tls CERTIFICATE_REFUSED');
    assert.match(await street.startStranger('nobody', ['dial', '10.77.0.11'], 'ended '), /ended \S+/);
    const seen = (await alpha?.posthorn(['incoming']))?.stdout ?? '';
    for (const [address, code] of [
      ['12', 'CERTIFICATE_EXPIRED'],
      ['13', 'CERTIFICATE_NOT_YET_VALID'],
      ['14', 'CERTIFICATE_UNTRUSTED'],
      ['15', 'WRONG_CERTIFICATE'],
      ['16', 'CERTIFICATE_MISSING'],
    ]) {
      assert.match(seen, new RegExp(`10\\.77\\.0\\.${address}, .*: ${code}$`, 'm'));
    }
  });

  test('a way back that a firewall or a wrong name closes is shown beside the way there', async (t) => {
    const street = await Street.make(t, ['alpha', 'beta', 'gamma', 'delta']);
    if (street === undefined) return;
    await street.start('alpha', OPEN);
    await street.start('beta', OPEN);
    await street.start('gamma', { ...OPEN, machines: { alpha: 'alhpa' } });
    await street.start('delta', { ...OPEN, machines: { alpha: '10.77.0.11:1802' } });
    const misspelt = await street.failsBack('alpha', 'gamma', 'name NAME_NOT_FOUND');
    assert.match(misspelt, /alpha to gamma is well\.\ngamma to alpha fails: NAME_NOT_FOUND\.\n.*alhpa/);
    assert.match(
      await street.failsBack('alpha', 'delta', 'connect CONNECT_REFUSED'),
      /alpha says that it listens on port 1801, and delta looks on port 1802/,
    );
    street.network.dropIncoming('alpha', { port: 1801 });
    const silent = await street.failsBack('alpha', 'beta', 'connect CONNECT_TIMEOUT');
    assert.match(silent, /beta to alpha fails: CONNECT_TIMEOUT\.\n.*\nLet TCP port 1801 to 10\.77\.0\.11 through/);
  });

  test('two machines that are well see each other in two columns where they fit, and their clocks are compared', async (t) => {
    const street = await Street.make(t, ['alpha', 'beta']);
    if (street === undefined) return;
    if (!requireCapability(t, 'terminal', whyNoTerminal)) return;
    const authority = await makeTestAuthority();
    const open = async (machine: string): Promise<MachineOptions> => ({
      listen: { port: 1801 },
      material: await authority.material(machine),
    });
    const alpha = await street.start('alpha', await open('alpha'));
    await street.start('beta', { ...(await open('beta')), clockAheadMs: 300_000 });
    const { exitCode, report } = await street.ping('alpha', 'beta');
    assert.equal(exitCode, 0, JSON.stringify(report));
    for (const direction of [report.there, report.back]) {
      assert.deepEqual(
        direction?.steps.map(({ step, result }) => [step, result]),
        ['name', 'connect', 'tls', 'identity', 'version', 'clock', 'roundTrip'].map((step) => [
          step,
          step === 'clock' ? 'warning' : 'ok',
        ]),
      );
    }
    const wide = await alpha.posthorn(['ping', 'beta'], 120);
    assert.equal(wide.exitCode, 0);
    assert.match(wide.stdout, /^alpha to beta \(beta, port 1801\) +beta to alpha \(alpha, port 1801\)\r?$/m);
    assert.match(wide.stdout, /its clock is 5 min ahead of ours +warn +clock +its clock is 5 min behind ours/);
    assert.match(wide.stdout, /Set both clocks by NTP/);
    const narrow = await alpha.posthorn(['ping', 'beta'], 80);
    assert.match(
      narrow.stdout,
      /^alpha to beta \(beta, port 1801\)\r?$[\s\S]*^beta to alpha \(alpha, port 1801\)\r?$/m,
    );
    for (const { stdout, columns } of [
      { ...wide, columns: 120 },
      { ...narrow, columns: 80 },
    ]) {
      const plain = stripVTControlCharacters(stdout).split('\r\n');
      assert.deepEqual(
        plain.filter((line) => line.length > columns),
        [],
      );
    }
  });

  test('a machine that runs no service looks one way alone, and says so', async (t) => {
    const street = await Street.make(t, ['alpha', 'beta']);
    if (street === undefined) return;
    await street.start('beta', OPEN);
    const directory = street.prepare('alpha', OPEN);
    const posthorn = (...given: string[]) => street.network.posthorn('alpha', [...given, '--directory', directory]);
    await posthorn('send', 'x', '--create', '--body', '{}');
    const { exitCode, stdout } = await posthorn('ping', 'beta');
    assert.equal(exitCode, 0, stdout);
    assert.match(stdout, /No queue manager runs on this machine .*, so only the way there was looked at\./);
    assert.match(stdout, / to beta is well\.\n$/);
  });
});

/** Hosts at 10.77.0.11, 12 and so on, each under its name; nothing runs on them at first. */
class Street {
  readonly network: TestNetwork;
  readonly #root: string;
  readonly #running = new Map<string, MachineHost>();

  private constructor(network: TestNetwork, root: string) {
    this.network = network;
    this.#root = root;
  }

  /** Undefined: not possible here, and the test is skipped. */
  static async make(t: TestContext, hosts: readonly string[]): Promise<Street | undefined> {
    if (!requireCapability(t, 'netns', whyNoNamespaces)) return undefined;
    const network = await TestNetwork.create(t, hosts);
    for (const [index, host] of hosts.entries()) {
      const address = `10.77.0.${11 + index}`;
      network.addAddress(host, address);
      await network.setName(host, [address]);
    }
    return new Street(network, networkDirectory(t));
  }

  prepare(machine: string, options: MachineOptions): string {
    return prepareDirectory(this.#root, machine, options);
  }

  async start(machine: string, options: MachineOptions): Promise<MachineHost> {
    const host = await MachineHost.start(this.network, machine, this.#root, options);
    this.#running.set(machine, host);
    return host;
  }

  /** Resolves with the first line of another program on that host that begins like this. */
  startStranger(host: string, given: readonly string[], beginning = 'ready'): Promise<string> {
    return new Promise((resolve, reject) => {
      const stranger = this.network.start(host, 'stranger-process.ts', given, (line) => {
        if (line.startsWith(beginning)) resolve(line);
      });
      stranger.ended.then(
        () => reject(new Error(`${given[0]} ended without '${beginning}': ${stranger.errors}`)),
        reject,
      );
    });
  }

  async ping(from: string, to: string): Promise<{ exitCode: number | undefined; report: PingReport; text: string }> {
    const machine = this.#running.get(from);
    assert.ok(machine !== undefined, `${from} runs`);
    const [json, text] = await Promise.all([machine.posthorn(['ping', to, '--json']), machine.posthorn(['ping', to])]);
    assert.deepEqual([json.stderr, text.stderr], ['', '']);
    assert.equal(text.exitCode, json.exitCode, text.stdout);
    return { exitCode: json.exitCode, report: JSON.parse(json.stdout), text: text.stdout };
  }

  /** The way there fails at this step for this reason, in the text too, with a mend; resolves with the text. */
  async fails(from: string, to: string, expected: `${PingDirection['steps'][number]['step']} ${Reason}`) {
    const { exitCode, report, text } = await this.ping(from, to);
    assert.deepEqual([exitCode, failureOf(report.there), report.back], [1, expected, undefined], text);
    assertTold(text, `${from} to ${to}`, report.there);
    return text;
  }

  /** The way there is well, and the way back fails. */
  async failsBack(from: string, to: string, expected: `${PingDirection['steps'][number]['step']} ${Reason}`) {
    const { exitCode, report, text } = await this.ping(from, to);
    assert.deepEqual([exitCode, report.there.isReached], [1, true], text);
    assert.ok(report.back !== undefined && failureOf(report.back) === expected, text);
    assertTold(text, `${to} to ${from}`, report.back);
    return text;
  }
}

function failureOf({ steps }: PingDirection): string {
  const failed = steps.find(({ result }) => result === 'failed');
  return `${failed?.step} ${failed?.reason}`;
}

/** Between the two runs a text may differ in what was measured, not in what is wrong. */
function assertTold(text: string, direction: string, { steps }: PingDirection): void {
  const failed = steps.find(({ result }) => result === 'failed');
  assert.ok(failed?.mend !== undefined && failed.text !== '', text);
  assert.ok(text.includes(`${direction} fails: ${failed.reason}.`), text);
  assert.ok(text.includes(failed.mend), text);
  assert.match(text, /^ {2}FAILED +(name|connect|TLS|who) /m);
}

function whyNoTerminal(): string | undefined {
  const { status } = spawnSync('script', ['-qec', 'stty -a', '/dev/null']);
  return status === 0 ? undefined : "'script' and 'stty' make no terminal here";
}
