import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../src/io/logger.ts';
import { openQueueManager, type ServedQueueManagerOptions } from '../../src/operations/open-queue-manager.ts';
import type { QueueManager } from '../../src/queues/queue-manager.ts';
import { type TestMaterial, writeTlsFiles } from './certificates.ts';
import { type CommandResult, posthorn, type RunningCommand, startPosthorn } from './command-line.ts';

/** Queue managers of this process, each on a loopback address of its own, with a names file that knows them all. */
export class LoopbackMachines implements AsyncDisposable {
  readonly #path = mkdtempSync(join(tmpdir(), 'posthorn-machines-'));
  readonly #running = new Map<string, QueueManager>();
  readonly #names = new Map<string, string>();
  readonly #addresses = new Map<string, string>();

  /** The same for all machines, so that none has to be told another's. */
  readonly port = 21_801;

  get namesFile(): string {
    return join(this.#path, 'names');
  }

  directory(machine: string): string {
    return join(this.#path, machine);
  }

  /** No two machines of this process have the same, and of two processes hardly. */
  addressOf(machine: string): string {
    const known = this.#addresses.get(machine);
    if (known !== undefined) return known;
    const { pid } = process;
    const address = `127.${1 + ((pid >> 8) % 250)}.${pid & 255}.${++addressesInUse}`;
    this.#addresses.set(machine, address);
    return address;
  }

  /** From now on the name leads to this address. */
  pointName(name: string, address: string): void {
    this.#names.set(name, address);
    const lines = [...this.#names].map(([known, at]) => `${at} ${known}`);
    writeFileSync(this.namesFile, `${lines.join('\n')}\n`);
  }

  /** Writes `network.json`; the name of the machine leads to it from then on. */
  prepare(machine: string, options: ServedNetworkOptions = {}): void {
    const { material, ...network } = options;
    const directory = this.directory(machine);
    mkdirSync(directory, { recursive: true });
    const listen = { port: this.port, address: this.addressOf(machine) };
    const file = { listen, port: this.port, namesFile: this.namesFile, ...network };
    writeFileSync(join(directory, 'network.json'), JSON.stringify(file));
    if (material !== undefined) {
      mkdirSync(join(directory, 'keys'), { recursive: true });
      writeTlsFiles(join(directory, 'keys'), material);
    }
    this.pointName(machine, this.addressOf(machine));
  }

  async start(machine: string, options: ServedNetworkOptions = {}): Promise<QueueManager> {
    this.prepare(machine, options);
    const directory = this.directory(machine);
    const manager = await openQueueManager({ directory, machine, logger: silentLogger });
    this.#running.set(machine, manager);
    return manager;
  }

  async stop(machine: string): Promise<void> {
    await this.#running.get(machine)?.close();
    this.#running.delete(machine);
  }

  /** The real CLI, on the directory of a machine. */
  posthorn(machine: string, ...given: readonly string[]): Promise<CommandResult> {
    return posthorn([...given, '--directory', this.directory(machine)]);
  }

  /** A verb that goes on, `--watch` say; end it. */
  startPosthorn(machine: string, ...given: readonly string[]): RunningCommand {
    return startPosthorn([...given, '--directory', this.directory(machine)]);
  }

  /** Waits until `posthorn VERB --watch` has written a line with this text. */
  async untilShown(text: string, machine: string, ...given: readonly string[]): Promise<void> {
    const watching = this.startPosthorn(machine, ...given, '--watch');
    try {
      await watching.says(text);
    } finally {
      await watching.kill('SIGINT');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of [...this.#running.keys()]) await this.stop(machine);
    rmSync(this.#path, { recursive: true, force: true });
  }
}

export type ServedNetworkOptions = Partial<Omit<ServedQueueManagerOptions, 'directory' | 'machine' | 'namesFile'>> & {
  /** Makes `keys/` of the data directory. */
  readonly material?: TestMaterial;
};

let addressesInUse = 0;
