import { Checks } from './checks.ts';
import { Coverage } from './coverage.ts';
import { Internet } from './internet.ts';
import { Ledger } from './ledger.ts';
import { type MachineOptions, SimulatedMachine } from './simulated-machine.ts';
import { NameTable } from './simulated-names.ts';
import type { Trace } from './trace.ts';
import { WireTap } from './wire-tap.ts';
import { World } from './world.ts';

/** A world with machines in it, and everything that watches them. */
export class Universe {
  readonly world: World;
  readonly internet: Internet;
  readonly names: NameTable;
  readonly ledger: Ledger;
  readonly checks: Checks;
  readonly coverage: Coverage;
  readonly tap: WireTap;
  readonly machines: SimulatedMachine[] = [];
  #lineages = 0;

  constructor(options: { readonly seed: number; readonly trace?: Trace | undefined; readonly coverage?: Coverage }) {
    this.world = new World(options);
    this.internet = new Internet(this.world);
    this.names = new NameTable(this.world);
    this.ledger = new Ledger(this.world);
    this.coverage = options.coverage ?? new Coverage();
    this.checks = new Checks({
      world: this.world,
      ledger: this.ledger,
      diskOf: (name) => this.find(name)?.disk,
      diskOfProcess: (process) => this.machines.find((machine) => machine.process === process)?.disk,
    });
    this.tap = new WireTap(this.world, this.coverage);
    this.internet.watcher = {
      written: (from, bytes) => {
        this.tap.written(from, bytes);
        this.checks.written(from, bytes);
      },
    };
  }

  /** Its name is `NAME.example`, and everybody knows it. */
  addMachine(name: string, options: MachineOptions = {}): SimulatedMachine {
    const machine = new SimulatedMachine(this, name, options);
    this.machines.push(machine);
    this.internet.addHost(machine.host);
    machine.host.addresses.add(options.address ?? `10.0.0.${this.machines.length}`);
    const hosts = this.machines.map(({ host }) => host);
    for (const { hostName, host } of this.machines) this.names.set(hostName, [...host.addresses], hosts);
    return machine;
  }

  find(name: string): SimulatedMachine | undefined {
    return this.machines.find((machine) => machine.name === name);
  }

  nextLineage(): number {
    return ++this.#lineages;
  }

  /** Moves a machine to other addresses; its name follows at once for itself, and after `staleMs` for the others. */
  moveTo(machine: SimulatedMachine, addresses: readonly string[], staleMs: number): void {
    machine.host.addresses.clear();
    for (const address of addresses) machine.host.addresses.add(address);
    this.world.note(`${machine.name} has moved to ${addresses.join(', ')}, names follow after ${staleMs} ms`);
    this.names.set(machine.hostName, addresses, this.hosts, staleMs);
  }

  get hosts() {
    return this.machines.map(({ host }) => host);
  }
}
