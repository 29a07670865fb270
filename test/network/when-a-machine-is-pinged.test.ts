import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PingDirection, PingReport } from '../../src/transfer/ping-report.ts';
import { requireCapability } from '../support/capabilities.ts';
import { posthorn } from '../support/command-line.ts';
import { networkDirectory, TestNetwork, whyNoNamespaces } from './network-namespaces.ts';
import { MachineHost } from './test-machine-host.ts';

/*
 * What `posthorn ping` tells apart about names, routes and firewalls, with a real name server and real packets. What it
 * tells apart behind the connection is in test/acceptance/when-machines-are-pinged.test.ts.
 */

const OPEN = { listen: { port: 1801 }, allowPlaintext: true };

test('ping tells names, silence, refusal and missing routes apart, and finds the way back', async (t) => {
  if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
  const network = await TestNetwork.create(t, ['alpha', 'beta']);
  network.addAddress('alpha', '10.77.0.11');
  network.addAddress('beta', '10.77.0.12');
  await network.setName('alpha', ['10.77.0.11']);
  await network.setName('beta', ['10.77.0.12']);
  const root = networkDirectory(t);
  const alpha = await MachineHost.start(network, 'alpha', root, OPEN);
  const look = async (machine: string): Promise<PingReport> =>
    JSON.parse((await posthorn(['ping', machine, '--json', '--directory', alpha.directory])).stdout);

  assert.equal(firstFailure((await look('gamma')).there), 'name NAME_NOT_FOUND');
  await network.setName('gamma', ['!servfail']);
  assert.equal(firstFailure((await look('gamma')).there), 'name NAME_SERVER_FAILED');
  await network.setName('gamma', ['!silent']);
  assert.equal(firstFailure((await look('gamma')).there), 'name NAME_TIMEOUT');
  await network.setName('gamma', ['10.99.0.1']);
  assert.equal(firstFailure((await look('gamma')).there), 'connect UNREACHABLE');
  assert.equal(firstFailure((await look('beta')).there), 'connect CONNECT_REFUSED', 'nothing listens there yet');

  const beta = await MachineHost.start(network, 'beta', root, OPEN);
  const well = await look('beta');
  assert.deepEqual([well.there.isReached, well.back?.isReached], [true, true], JSON.stringify(well));
  assert.match(well.there.steps[0]?.text ?? '', /^beta is 10\.77\.0\.12 \(DNS 10\.77\.0\.1\)$/);

  // Behind a firewall there is silence; on the way back it is the other side that meets it.
  network.silencePort('alpha', 1801);
  const oneWay = await look('beta');
  assert.equal(oneWay.there.isReached, true);
  assert.equal(oneWay.back === undefined ? undefined : firstFailure(oneWay.back), 'connect CONNECT_TIMEOUT');
  network.silencePort('beta', 1801);
  const blocked = await look('beta');
  assert.equal(firstFailure(blocked.there), 'connect CONNECT_TIMEOUT');
  assert.match(blocked.there.steps.find(({ result }) => result === 'failed')?.mend ?? '', /firewalls/);

  await Promise.all([alpha.end(), beta.end()]);
});

function firstFailure(direction: PingDirection): string {
  const failed = direction.steps.find(({ result }) => result === 'failed');
  return `${failed?.step} ${failed?.reason}`;
}
