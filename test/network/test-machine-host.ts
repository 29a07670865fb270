import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import { connectOperations } from '../../src/operations/connect.ts';
import type { OutgoingDescription } from '../../src/operations/operations.ts';
import type { HostProcess, TestNetwork } from './network-namespaces.ts';

/** A machine of a network test: its process on a host of the network, and what it said so far. */
export class MachineHost {
  readonly name: string;
  readonly directory: string;
  /** Numbers handled here by the machine that sent them, in the order in which they were handled. */
  readonly handled = new Map<string, number[]>();
  /** Numbers accepted here for sending. */
  readonly sent: number[] = [];
  /** Every state, reason and text that an outgoing queue showed, without repeats in a row. */
  readonly shown: OutgoingDescription[] = [];
  readonly #process: HostProcess;
  readonly #listeners = new Set<() => void>();
  #isReady = false;
  #isQuiet = false;
  #isEnding = false;
  #watching: Promise<void> = Promise.resolve();

  private constructor(network: TestNetwork, name: string, directory: string) {
    this.name = name;
    this.directory = directory;
    this.#process = network.start(name, 'machine-process.ts', [name, directory], (line) => this.#read(line));
  }

  /** Starts the machine with these network settings and waits until it runs. */
  static async start(network: TestNetwork, name: string, root: string, settings: object): Promise<MachineHost> {
    const directory = join(root, name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'network.json'), JSON.stringify(settings));
    const host = new MachineHost(network, name, directory);
    await host.until('it runs', () => host.#isReady, 15_000);
    return host;
  }

  send(to: string, perSecond: number): void {
    this.#process.say(`send ${to} ${perSecond}`);
  }

  /** Sends no more; resolves when all that was begun has been accepted. */
  async quiet(): Promise<void> {
    this.#process.say('quiet');
    await this.until('all sends are accepted', () => this.#isQuiet, 15_000);
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#watching;
    this.#process.say('end');
    assert.equal(await this.#process.ended, 0, `${this.name} ends in good order`);
  }

  numbersFrom(sender: string): readonly number[] {
    return this.handled.get(sender) ?? [];
  }

  /** Waits for what this machine prints to make `isTrue` true; resolves with how long it took, in ms. */
  async until(what: string, isTrue: () => boolean, limitMs: number): Promise<number> {
    const { clock, timers } = nodeIo();
    const startMs = clock.monotonicNowMs();
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (!isTrue()) return;
        timer.cancel();
        this.#listeners.delete(look);
        resolve();
      };
      const giveUp = (): void => {
        this.#listeners.delete(look);
        reject(new Error(`${this.name}: not so after ${limitMs / 1000} s: ${what}. Shown: ${this.describeShown()}`));
      };
      const timer = timers.after(limitMs, giveUp, { keepsProcessAlive: true });
      this.#listeners.add(look);
      look();
    });
    return clock.monotonicNowMs() - startMs;
  }

  /** Records what `posthorn outgoing` would show, until the machine ends or the test does. */
  watchOutgoing(t: TestContext): void {
    const connection = connectOperations({ directory: this.directory, io: nodeIo() });
    const watching = (async () => {
      while (!this.#isEnding) {
        const { outgoing } = await connection.operations.describeOutgoing({});
        for (const status of outgoing) this.#noteShown(status);
        await new Promise<void>((resolve) => nodeIo().timers.after(100, resolve, { keepsProcessAlive: true }));
      }
    })().finally(() => connection.close());
    this.#watching = watching;
    // Whoever ends the machine hears of a failure; when the test failed before, that is what counts.
    watching.catch(() => undefined);
    t.after(() => {
      this.#isEnding = true;
    });
  }

  describeShown(): string {
    return this.shown.map(({ state, reason, text }) => `\n  ${state} ${reason ?? ''}: ${text}`).join('');
  }

  #noteShown(status: OutgoingDescription): void {
    const last = this.shown.findLast((known) => known.queue === status.queue);
    if (last?.state === status.state && last.reason === status.reason && last.text === status.text) return;
    this.shown.push(status);
    for (const listener of [...this.#listeners]) listener();
  }

  #read(line: string): void {
    const [verb, one = '', two = ''] = line.split(' ');
    if (verb === 'ready') this.#isReady = true;
    if (verb === 'quiet') this.#isQuiet = true;
    if (verb === 'sent') this.sent.push(Number(one));
    if (verb === 'handled') {
      const numbers = this.handled.get(one) ?? [];
      numbers.push(Number(two));
      this.handled.set(one, numbers);
    }
    for (const listener of [...this.#listeners]) listener();
  }
}
