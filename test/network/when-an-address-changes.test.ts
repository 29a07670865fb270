import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import { requireCapability } from '../support/capabilities.ts';
import { networkDirectory, TestNetwork, whyNoNamespaces } from './network-namespaces.ts';
import { MachineHost } from './test-machine-host.ts';

/*
 * The incident of the seed, for real: two hosts under load in network namespaces, a real name server, and addresses that
 * change under them. Nobody restarts anything, and until traffic flows the outgoing queue says why not.
 */

const PER_SECOND = 50;
const OPEN = { listen: { port: 1801 }, allowPlaintext: true };

test("fault 49: the receiver's address changes and the name follows at once: traffic flows again within 10 s", async (t) => {
  if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
  const story = await Story.begin(t);
  story.alpha.watchOutgoing(t);

  story.network.addAddress('beta', '10.77.0.22');
  await story.network.setName('beta', ['10.77.0.22']);
  story.network.removeAddress('beta', '10.77.0.12');
  const tookMs = await story.untilTrafficFlows(10_000);

  t.diagnostic(`traffic flowed again after ${(tookMs / 1000).toFixed(1)} s`);
  await story.endAndReconcile();
});

test("fault 51: the sender's own address changes: traffic flows again within 20 s", async (t) => {
  if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
  const story = await Story.begin(t);
  story.alpha.watchOutgoing(t);

  story.network.addAddress('alpha', '10.77.0.21');
  story.network.removeAddress('alpha', '10.77.0.11');
  await story.network.setName('alpha', ['10.77.0.21']);
  const tookMs = await story.untilTrafficFlows(20_000);

  t.diagnostic(`traffic flowed again after ${(tookMs / 1000).toFixed(1)} s`);
  await story.endAndReconcile();
});

test('fault 50: the name is stale for 60 s, and the receiver connects by itself: traffic flows before the name is right', async (t) => {
  if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
  const story = await Story.begin(t);

  story.network.addAddress('beta', '10.77.0.22');
  story.network.removeAddress('beta', '10.77.0.12');
  const tookMs = await story.untilTrafficFlows(20_000);

  t.diagnostic(
    `traffic flowed again after ${(tookMs / 1000).toFixed(1)} s, with the old address still in the name server`,
  );
  await story.network.setName('beta', ['10.77.0.22']);
  await story.endAndReconcile();
});

test('fault 50: the name is stale for 60 s, and the receiver cannot connect by itself: the queue says why, and traffic flows within 60 s of the name', async (t) => {
  if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
  // The receiver believes the sender to be where nobody is, so it cannot wake it.
  const story = await Story.begin(t, { machines: { alpha: '10.77.0.99' } });
  story.alpha.watchOutgoing(t);

  story.network.addAddress('beta', '10.77.0.22');
  story.network.removeAddress('beta', '10.77.0.12');
  // The scenario itself: the name server keeps the old answer for a minute.
  await new Promise<void>((resolve) => nodeIo().timers.after(60_000, resolve, { keepsProcessAlive: true }));
  const before = story.beta.numbersFrom('alpha').length;
  const waiting = story.alpha.shown.filter(({ state }) => state === 'WAITING' || state === 'CONNECTING');
  assert.ok(
    waiting.some(({ text }) => text.includes('10.77.0.12') && text.includes('beta')),
    `the queue names the name and the address that it tried:${story.alpha.describeShown()}`,
  );
  assert.ok(
    waiting.some(({ reason }) => reason === 'CONNECT_TIMEOUT' || reason === 'UNREACHABLE' || reason === 'PEER_SILENT'),
    `the queue says why:${story.alpha.describeShown()}`,
  );
  await story.network.setName('beta', ['10.77.0.22']);
  const tookMs = await story.untilTrafficFlows(60_000);

  t.diagnostic(`nothing in 60 s (${before} before), then ${(tookMs / 1000).toFixed(1)} s after the name was right`);
  await story.endAndReconcile();
});

test("fault 60: another machine takes the receiver's address: not one message reaches it, and the queue names it", async (t) => {
  if (!requireCapability(t, 'netns', whyNoNamespaces)) return;
  const story = await Story.begin(t, {}, ['gamma']);
  story.alpha.watchOutgoing(t);

  story.network.addAddress('beta', '10.77.0.22');
  story.network.removeAddress('beta', '10.77.0.12');
  story.network.removeAddress('gamma', '10.77.0.13');
  story.network.addAddress('gamma', '10.77.0.12');
  const gamma = story.others.get('gamma') as MachineHost;
  await story.untilShown(({ reason }) => reason === 'WRONG_HOST', 30_000);
  await story.network.setName('beta', ['10.77.0.22']);
  await story.untilTrafficFlows(20_000);

  const wrong = story.alpha.shown.find(({ reason }) => reason === 'WRONG_HOST');
  assert.match(
    wrong?.text ?? '',
    /10\.77\.0\.12.*gamma|gamma.*10\.77\.0\.12/,
    'the text names the address and who answered',
  );
  assert.deepEqual([...gamma.handled], [], 'the wrong machine got nothing');
  await story.endAndReconcile();
});

/** Two hosts, `alpha` sending to `beta`, whose traffic flows. */
class Story {
  readonly network: TestNetwork;
  readonly alpha: MachineHost;
  readonly beta: MachineHost;
  readonly others: ReadonlyMap<string, MachineHost>;

  private constructor(network: TestNetwork, hosts: ReadonlyMap<string, MachineHost>) {
    this.network = network;
    this.alpha = hosts.get('alpha') as MachineHost;
    this.beta = hosts.get('beta') as MachineHost;
    this.others = hosts;
  }

  static async begin(t: TestContext, betaSettings: object = {}, more: readonly string[] = []): Promise<Story> {
    const names = ['alpha', 'beta', ...more];
    const network = await TestNetwork.create(t, names);
    const root = networkDirectory(t);
    const hosts = new Map<string, MachineHost>();
    for (const [index, name] of names.entries()) {
      const address = `10.77.0.${11 + index}`;
      network.addAddress(name, address);
      await network.setName(name, [address]);
      const settings = name === 'beta' ? { ...OPEN, ...betaSettings } : OPEN;
      hosts.set(name, await MachineHost.start(network, name, root, settings));
    }
    const story = new Story(network, hosts);
    story.alpha.send('beta', PER_SECOND);
    await story.beta.until(
      'traffic flows at first',
      () => story.beta.numbersFrom('alpha').length >= PER_SECOND,
      15_000,
    );
    return story;
  }

  /**
   * Waits until a message is handled that was surely sent after now: a second's worth of numbers may have been on the way
   * when the change came. Resolves with how long it took, in ms.
   */
  async untilTrafficFlows(limitMs: number): Promise<number> {
    const number = (this.alpha.sent.at(-1) ?? 0) + PER_SECOND;
    return await this.beta.until(
      `message ${number} is handled`,
      () => (this.beta.numbersFrom('alpha').at(-1) ?? 0) >= number,
      limitMs,
    );
  }

  async untilShown(isIt: (status: MachineHost['shown'][number]) => boolean, limitMs: number): Promise<void> {
    await this.alpha.until('the outgoing queue shows it', () => this.alpha.shown.some(isIt), limitMs);
  }

  /** Every number that was accepted was handled, once, in order. */
  async endAndReconcile(): Promise<void> {
    await this.alpha.quiet();
    const last = this.alpha.sent.length;
    await this.beta.until(`all ${last} are handled`, () => this.beta.numbersFrom('alpha').length >= last, 60_000);
    const expected = Array.from({ length: last }, (_, index) => index + 1);
    assert.deepEqual(this.beta.numbersFrom('alpha'), expected, 'nothing lost, doubled or reordered');
    for (const host of this.others.values()) await host.end();
    assert.deepEqual(this.beta.numbersFrom('alpha'), expected, 'nothing came after the end');
  }
}
