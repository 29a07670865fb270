import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { OutgoingDescription } from '../../src/operations/operations.ts';
import { networkDirectory, TestNetwork } from './network-namespaces.ts';
import { MachineHost, type MachineOptions } from './test-machine-host.ts';

export const PER_SECOND = 50;

/** What a machine needs to be reached without keys. */
export const OPEN: MachineOptions = { listen: { port: 1801 }, allowPlaintext: true };

export interface TrafficOptions {
  /** Of every machine. Default: `OPEN`. */
  readonly every?: (machine: string) => Promise<MachineOptions>;
  /** Beside those. */
  readonly beta?: MachineOptions;
  /** Further machines. */
  readonly others?: readonly string[];
  /** Machines that have no address at first; their names lead to where they will be. */
  readonly addressless?: readonly string[];
}

/** Machines at 10.77.0.11, 12 and so on, each under its name; `alpha` sends to `beta`, and traffic flows. */
export class TrafficStory {
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

  /** The same before anything was sent. */
  static async prepare(t: TestContext, options: TrafficOptions = {}): Promise<TrafficStory> {
    const { every = async () => OPEN, beta = {}, others = [], addressless = [] } = options;
    const names = ['alpha', 'beta', ...others];
    const network = await TestNetwork.create(t, names);
    const root = networkDirectory(t);
    const hosts = new Map<string, MachineHost>();
    for (const [index, name] of names.entries()) {
      const address = `10.77.0.${11 + index}`;
      if (!addressless.includes(name)) network.addAddress(name, address);
      await network.setName(name, [address]);
      const own = name === 'beta' ? beta : {};
      hosts.set(name, await MachineHost.start(network, name, root, { ...(await every(name)), ...own }));
    }
    return new TrafficStory(network, hosts);
  }

  static async begin(t: TestContext, options: TrafficOptions = {}): Promise<TrafficStory> {
    const story = await TrafficStory.prepare(t, options);
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

  async untilShown(isIt: (status: OutgoingDescription) => boolean, limitMs: number): Promise<void> {
    await this.alpha.until('the outgoing queue shows it', () => this.alpha.shown.some(isIt), limitMs);
  }

  /** No more is sent; every number that was accepted was handled, once, in order. */
  async endAndReconcile(): Promise<void> {
    const pairs = [
      [this.alpha, this.beta],
      [this.beta, this.alpha],
    ] as const;
    for (const [sender, receiver] of pairs) await reconcile(sender, receiver);
    for (const host of this.others.values()) await host.end();
    for (const [sender, receiver] of pairs) {
      assert.equal(receiver.numbersFrom(sender.name).length, sender.sent.length, 'nothing came after the end');
    }
  }
}

async function reconcile(sender: MachineHost, receiver: MachineHost): Promise<void> {
  await sender.quiet();
  const last = sender.sent.length;
  const handled = (): readonly number[] => receiver.numbersFrom(sender.name);
  await receiver.until(`all ${last} of ${sender.name} are handled`, () => handled().length >= last, 60_000);
  const expected = Array.from({ length: last }, (_, index) => index + 1);
  assert.deepEqual(handled(), expected, `of ${sender.name} nothing is lost, doubled or reordered`);
}
