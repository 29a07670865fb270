import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeIo } from '../../src/io/node-io.ts';
import { connectOperations } from '../../src/operations/connect.ts';
import type { IncomingDescription, Operations, OutgoingDescription } from '../../src/operations/operations.ts';
import type { NetworkOptions } from '../../src/transfer/network-options.ts';
import { type TestMaterial, writeTlsFiles } from '../support/certificates.ts';
import type { CommandResult } from '../support/command-line.ts';
import type { HostProcess, TestNetwork } from './network-namespaces.ts';

/** What goes into `network.json`, and what else tells one machine of a network test from another. */
export interface MachineOptions extends NetworkOptions {
  /** Its keys, put where `posthorn keys` puts them. */
  readonly material?: TestMaterial;
  readonly clockAheadMs?: number;
}

/** Makes the data directory of a machine, which nobody runs yet. */
export function prepareDirectory(root: string, machine: string, options: MachineOptions): string {
  const { material, clockAheadMs: _, ...settings } = options;
  const directory = join(root, machine);
  mkdirSync(join(directory, 'keys'), { recursive: true });
  writeFileSync(join(directory, 'network.json'), JSON.stringify(settings));
  if (material !== undefined) writeTlsFiles(join(directory, 'keys'), material);
  return directory;
}

/** A machine of a network test: its process on the host of its name, and what it said so far. */
export class MachineHost {
  readonly name: string;
  readonly directory: string;
  /** Numbers handled here by the machine that sent them, in the order in which they were handled. */
  readonly handled = new Map<string, number[]>();
  /** Numbers accepted here for sending. */
  readonly sent: number[] = [];
  /** Every state, reason and text that an outgoing queue showed, without repeats in a row. */
  readonly shown: OutgoingDescription[] = [];
  /** What `posthorn incoming` would show; of `watchIncoming`. */
  incoming: IncomingDescription | undefined;
  readonly #network: TestNetwork;
  readonly #process: HostProcess;
  readonly #listeners = new Set<() => void>();
  #isReady = false;
  #isQuiet = false;
  #isEnding = false;
  #watching: Promise<void>[] = [];

  private constructor(network: TestNetwork, name: string, directory: string, clockAheadMs: number) {
    this.name = name;
    this.directory = directory;
    this.#network = network;
    const given = [name, directory, String(clockAheadMs)];
    this.#process = network.start(name, 'machine-process.ts', given, (line) => this.#read(line));
  }

  /** Starts the machine and waits until it runs. */
  static async start(
    network: TestNetwork,
    name: string,
    root: string,
    options: MachineOptions = {},
  ): Promise<MachineHost> {
    const directory = prepareDirectory(root, name, options);
    const host = new MachineHost(network, name, directory, options.clockAheadMs ?? 0);
    await host.until('it runs', () => host.#isReady, 15_000);
    return host;
  }

  /** The real CLI on this host and directory; with `columns` on a terminal of that width. */
  posthorn(given: readonly string[], columns?: number): Promise<CommandResult> {
    return this.#network.posthorn(this.name, [...given, '--directory', this.directory], columns);
  }

  send(to: string, perSecond: number): void {
    this.#process.say(`send ${to} ${perSecond}`);
  }

  /** Sends no more; resolves when all that was begun has been accepted. */
  async quiet(): Promise<void> {
    this.#isQuiet = false;
    this.#process.say('quiet');
    await this.until('all sends are accepted', () => this.#isQuiet, 15_000);
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#watching);
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
        const told = `Shown: ${this.describeShown()}\nIts log:\n${this.#process.errors}`;
        reject(new Error(`${this.name}: not so after ${limitMs / 1000} s: ${what}. ${told}`));
      };
      const timer = timers.after(limitMs, giveUp, { keepsProcessAlive: true });
      this.#listeners.add(look);
      look();
    });
    return clock.monotonicNowMs() - startMs;
  }

  /** Records what `posthorn outgoing` would show, until the machine ends or the test does. */
  watchOutgoing(): void {
    this.#watch(async (operations) => {
      const { outgoing } = await operations.describeOutgoing({});
      for (const status of outgoing) this.#noteShown(status);
    });
  }

  /** Tells what `posthorn incoming` would show, ten times a second, until the machine ends or the test does. */
  watchIncoming(): void {
    this.#watch(async (operations) => {
      this.incoming = await operations.describeIncoming();
      this.#tell();
    });
  }

  /** What it showed, without repeats that differ in their figures alone. */
  describeShown(): string {
    const lines = this.shown.map(({ queue, state, reason, text }) => `${queue} ${state} ${reason ?? ''}: ${text}`);
    const isNews = (line: string, index: number): boolean => withoutFigures(line) !== withoutFigures(lines[index - 1]);
    return lines
      .filter(isNews)
      .map((line) => `\n  ${line}`)
      .join('');
  }

  #noteShown(status: OutgoingDescription): void {
    const last = this.shown.findLast((known) => known.queue === status.queue);
    if (last?.state === status.state && last.reason === status.reason && last.text === status.text) return;
    this.shown.push(status);
    this.#tell();
  }

  #watch(look: (operations: Operations) => Promise<void>): void {
    const connection = connectOperations({ directory: this.directory, io: nodeIo() });
    const watching = (async () => {
      while (!this.#isEnding && !this.#network.isOver) {
        await look(connection.operations);
        await new Promise<void>((resolve) => nodeIo().timers.after(100, resolve, { keepsProcessAlive: true }));
      }
    })().finally(() => connection.close());
    this.#watching.push(watching);
    // Whoever ends the machine hears of a failure; when the test failed before, that is what counts.
    watching.catch(() => undefined);
  }

  #tell(): void {
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
    this.#tell();
  }
}

function withoutFigures(line: string | undefined): string | undefined {
  return line?.replaceAll(/\b\d+(\.\d+)?( s\b| on the way)/g, '…');
}
