import type { LogFields, Logger } from '../../src/io/logger.ts';
import { QueueManager } from '../../src/queues/queue-manager.ts';
import { openDirectStore } from '../../src/store/direct-store.ts';
import type { NetworkSettings, TlsSource } from '../../src/transfer/network-settings.ts';
import { Transfer } from '../../src/transfer/transfer.ts';
import { ObservedStore, type SyncOutcome } from './observed-store.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { SimulatedHost } from './simulated-host.ts';
import { SimulatedNames } from './simulated-names.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { makeTlsMaterial } from './simulated-tls.ts';
import type { Universe } from './universe.ts';

/**
 * A machine: its host, its disk, and one process at a time that runs the production queue manager and transfer on them.
 *
 *     down ──start()──▶ starting ──▶ up ──kill(), powerOff()──▶ down
 *                                     └──stop()──▶ down
 */
export class SimulatedMachine {
  readonly name: string;
  readonly hostName: string;
  readonly host: SimulatedHost;
  readonly disk: SimulatedDisk;
  readonly options: MachineOptions;
  readonly #universe: Universe;
  #process: SimulatedProcess | undefined;
  #store: ObservedStore | undefined;
  #running: RunningMachine | undefined;
  #starts = 0;
  /** Runs in each process when it is up: the programs of the workload. */
  program: (running: RunningMachine) => void = () => undefined;

  constructor(universe: Universe, name: string, options: MachineOptions) {
    this.#universe = universe;
    this.name = name;
    this.hostName = `${name}.example`;
    this.options = options;
    this.host = new SimulatedHost(universe.world, name);
    this.disk = new SimulatedDisk(universe.nextLineage(), options.syncMs ?? 0.3);
  }

  get running(): RunningMachine | undefined {
    return this.#running;
  }

  get process(): SimulatedProcess | undefined {
    return this.#process;
  }

  get isDown(): boolean {
    return this.#process === undefined;
  }

  /** Starts a process; resolves when it is up, and never when it dies before. */
  async start(): Promise<RunningMachine> {
    const { world } = this.#universe;
    if (!this.host.isOn) this.host.bootUp();
    const process = new SimulatedProcess(world, {
      machine: this.name,
      name: `${this.name}#${++this.#starts}`,
      clock: this.host.clock,
    });
    this.#process = process;
    world.note(`${process.name} starts`);
    const logger = this.#logger(process);
    const manager = await QueueManager.open({
      directory: `/simulated/${this.name}`,
      machine: this.name,
      io: process.io,
      openInFlightFile: () => this.disk.inFlight.open(),
      openStore: () => this.#openStore(process),
      onFailure: (error, doing) => logger.warn(`while ${doing}: ${error instanceof Error ? error.message : error}`),
      ...(this.options.bodyBytesMax !== undefined && { bodyBytesMax: this.options.bodyBytesMax }),
    });
    const transfer = await Transfer.start({
      door: manager.transferDoor({ missingQueueGraceMs: this.#settings().missingQueueGraceMs }),
      io: process.io,
      network: new SimulatedNetwork(this.#universe.internet, this.host, process),
      names: new SimulatedNames(world, this.#universe.names, this.host, process),
      settings: this.#settings(),
      tls: this.options.hasTls === true ? this.#tls() : undefined,
      logger,
    });
    const running = { machine: this, process, manager, transfer };
    this.#running = running;
    world.note(`${process.name} is up`);
    this.program(running);
    return running;
  }

  /** The process dies: what was not synced is gone but for a prefix that chance decides. */
  kill(): void {
    this.#die('is killed');
  }

  /** The machine is off: nobody on the network hears of it. */
  powerOff(): void {
    if (!this.host.isOn) return;
    this.host.powerOff();
    this.#die('loses power');
  }

  /** In order: the transfer first, then the queue manager. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    await running.transfer.stop();
    await running.manager.close();
    this.#universe.world.note(`${running.process.name} has stopped`);
    running.process.die();
    this.#forget();
  }

  pause(): void {
    this.#process?.pause();
  }

  resume(): void {
    this.#process?.resume();
  }

  failSync(outcome: SyncOutcome, forMs: number): void {
    this.#store?.failSync(outcome, forMs);
  }

  setFull(isFull: boolean): void {
    this.#store?.setFull(isFull);
  }

  #die(how: string): void {
    const process = this.#process;
    if (process === undefined) return;
    const { world, internet, checks } = this.#universe;
    world.note(`${process.name} ${how}`);
    process.die();
    internet.processEnded(this.host, (connection) => connection.process === process);
    this.#inner?.crash(world.random);
    // What the dead process had on its way to the disk, and is there.
    for (const unit of this.#store?.survivors(this.disk.unitSerial) ?? []) checks.applied(this.name, this.disk, unit);
    this.#forget();
  }

  #inner: Awaited<ReturnType<typeof openDirectStore>> | undefined;

  #forget(): void {
    this.#process = undefined;
    this.#store = undefined;
    this.#inner = undefined;
    this.#running = undefined;
  }

  async #openStore(process: SimulatedProcess): Promise<ObservedStore> {
    const inner = await openDirectStore({
      io: process.io,
      disk: this.disk.memory,
      nextSyncMs: () => this.disk.syncMs(),
    });
    const store = new ObservedStore(inner, {
      process,
      serialAtOpen: this.disk.unitSerial,
      applied: (unit) => {
        if (process.isAlive) this.#universe.checks.applied(this.name, this.disk, unit);
      },
    });
    if (process.isAlive) {
      this.#inner = inner;
      this.#store = store;
    }
    return store;
  }

  #settings(): NetworkSettings {
    const machines = new Map<string, { host: string; port: number }>();
    for (const { name, hostName } of this.#universe.machines) machines.set(name, { host: hostName, port: PORT });
    return {
      listen: this.options.isDeaf === true ? undefined : { address: this.options.listenAddress, port: PORT },
      machines,
      port: PORT,
      aliases: [],
      tls:
        this.options.hasTls === true
          ? { key: 'key', certificate: 'certificate', authorities: 'authorities' }
          : undefined,
      allowPlaintext: this.options.hasTls !== true,
      namesFile: undefined,
      missingQueueGraceMs: this.options.missingQueueGraceMs ?? 30_000,
    };
  }

  #tls(): TlsSource {
    return { material: makeTlsMaterial({ names: [this.name] }), onChange: () => undefined };
  }

  #logger(process: SimulatedProcess): Logger {
    const { world, coverage } = this.#universe;
    const write = (text: string, fields?: LogFields): void => {
      if (process.isAlive) world.note(`${process.name}: ${text}`);
      coverage.logged(text, fields);
    };
    const logger: Logger = { debug: () => undefined, info: write, warn: write, error: write, child: () => logger };
    return logger;
  }
}

export interface MachineOptions {
  readonly address?: string;
  readonly listenAddress?: string;
  readonly hasTls?: boolean;
  /** Nobody can connect to it. */
  readonly isDeaf?: boolean;
  readonly bodyBytesMax?: number;
  readonly missingQueueGraceMs?: number;
  /** How long a sync of its disk takes. Default 0.3. */
  readonly syncMs?: number;
}

export interface RunningMachine {
  readonly machine: SimulatedMachine;
  readonly process: SimulatedProcess;
  readonly manager: QueueManager;
  readonly transfer: Transfer;
}

export const PORT = 1801;
