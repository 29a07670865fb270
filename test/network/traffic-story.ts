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

  static async begin(t: TestContext, options: TrafficOptions = {}): Promise<TrafficStory> {
    const { every = async () => OPEN, beta = {}, others = [] } = options;
    const names = ['alpha', 'beta', ...others];
    const network = await TestNetwork.create(t, names);
    const root = networkDirectory(t);
    const hosts = new Map<string, MachineHost>();
    for (const [index, name] of names.entries()) {
      const address = `10.77.0.${11 + index}`;
      network.addAddress(name, address);
      await network.setName(name, [address]);
      const own = name === 'beta' ? beta : {};
      hosts.set(name, await MachineHost.start(network, name, root, { ...(await every(name)), ...own }));
    }
    const story = new TrafficStory(network, hosts);
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
