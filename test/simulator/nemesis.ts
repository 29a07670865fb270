import { isPosthornError } from '../../src/message/posthorn-error.ts';
import type { DiskBackup } from './simulated-disk.ts';
import type { SimulatedHost } from './simulated-host.ts';
import type { SimulatedMachine } from './simulated-machine.ts';
import type { NameTrouble } from './simulated-names.ts';
import { SimulatedOperator } from './simulated-operator.ts';
import type { Universe } from './universe.ts';

/**
 * Does harm: each fault with a rate of its own per seed, each for a while, until `heal`. What it did is undone then,
 * but for what cannot be: lost stores, changed addresses, wall clocks.
 */
export class Nemesis {
  readonly #universe: Universe;
  readonly #rates: FaultRates;
  readonly #faults: readonly (readonly [weight: number, inflict: () => void])[];
  readonly #operator: SimulatedOperator;
  readonly #backups = new Map<SimulatedMachine, DiskBackup>();
  #isOver = false;
  #nextAddress = 50;
  /** What hosts had before they lost it for a while. */
  readonly #flapped = new Map<SimulatedHost, readonly string[]>();
  /** After many of them nothing could be said of any message. */
  #incidentsLeft = 2;

  constructor(universe: Universe, rates: FaultRates) {
    this.#universe = universe;
    this.#rates = rates;
    this.#operator = new SimulatedOperator(universe);
    this.#faults = [
      [rates.kill, () => this.#kill()],
      [rates.ambush, () => this.#ambush()],
      [rates.powerOff, () => this.#powerOff()],
      [rates.pause, () => this.#pause()],
      [rates.partition, () => this.#partition()],
      [rates.reset, () => this.#reset()],
      [rates.move, () => this.#move()],
      [rates.flap, () => this.#flap()],
      [rates.swap, () => this.#swap()],
      [rates.names, () => this.#troubleNames()],
      [rates.mislead, () => this.#mislead()],
      [rates.slowDisk, () => this.#slowDisk()],
      [rates.failSync, () => this.#failSync()],
      [rates.full, () => this.#fillDisk()],
      [rates.quota, () => this.#limitQueue()],
      [rates.clock, () => this.#jumpClock()],
      [rates.listener, () => this.#breakListener()],
      [rates.operator, () => this.#operate()],
      [rates.incident, () => this.#incident()],
    ];
  }

  /** The next fault comes after a pause of random length. */
  begin(): void {
    const { world } = this.#universe;
    world.at(-Math.log(1 - world.random.fraction()) * this.#rates.meanPauseMs, () => {
      if (this.#isOver) return;
      this.#inflictOne();
      this.begin();
    });
  }

  /** No more faults, and everything that can be undone is. */
  async heal(): Promise<void> {
    const { world, internet, names, machines, hosts } = this.#universe;
    this.#isOver = true;
    world.note('everything heals');
    internet.healAll();
    names.healAll();
    for (const host of [...this.#flapped.keys()]) this.#giveBack(host);
    for (const { hostName, host } of machines) names.set(hostName, [...host.addresses], hosts);
    for (const machine of machines) {
      machine.disk.beQuick();
      machine.resume();
      machine.setFull(false);
      for (const connection of internet.connections) connection.resetAfterBytes = Number.POSITIVE_INFINITY;
      // A store that has failed for good needs a person who restarts it.
      if (machine.running?.manager.storeCondition.state === 'failed') machine.kill();
      if (machine.isDown) this.#restart(machine);
    }
    // A store that is failing just now takes up to 8 s until it is started again.
    await world.advance(10_000);
    for (const machine of machines) this.#operator.putRight(machine);
  }

  #inflictOne(): void {
    const { world, coverage } = this.#universe;
    const sum = this.#faults.reduce((total, [weight]) => total + weight, 0);
    let left = world.random.fraction() * sum;
    for (const [weight, inflict] of this.#faults) {
      left -= weight;
      if (left >= 0) continue;
      coverage.count(`fault ${/#(\w+)/.exec(inflict.toString())?.[1]}`);
      inflict();
      return;
    }
  }

  #after(ms: number, undo: () => void): void {
    this.#universe.world.at(ms, () => {
      if (!this.#isOver) undo();
    });
  }

  #oneOf<Item>(items: readonly Item[]): Item {
    return items[this.#universe.world.random.integer(items.length)] as Item;
  }

  #machine(): SimulatedMachine {
    return this.#oneOf(this.#universe.machines);
  }

  /** From a millisecond to `max`, each order of magnitude as likely as the others. */
  #duration(max: number): number {
    return max ** this.#universe.world.random.fraction();
  }

  #restart(machine: SimulatedMachine): void {
    const { world } = this.#universe;
    if (!machine.isDown) return;
    machine.start().catch((error: unknown) => {
      if (!isPosthornError(error)) {
        world.fail('uncaught rejection', error instanceof Error ? String(error.stack) : String(error));
        return;
      }
      world.note(`${machine.name} cannot start: ${error.code}`);
      machine.kill();
      world.at(1_000, () => this.#restart(machine));
    });
  }

  #kill(): void {
    const machine = this.#machine();
    machine.kill();
    this.#after(this.#duration(15_000), () => this.#restart(machine));
  }

  /** Kills at a moment that matters: just after a certain kind of frame was written, at one of its two ends, or in a send. */
  #ambush(): void {
    const { world, tap, machines } = this.#universe;
    const type = this.#oneOf(['data', 'data', 'acked', 'attach', 'attached', 'detached', 'welcome', 'send', 'consume']);
    const isAtWriter = world.random.fraction() < 0.5;
    const delayMs = this.#oneOf([0, 0.1, 1, 5, 20]) * world.random.fraction();
    world.note(`an ambush waits for ${type}`);
    tap.once(type, (from, to) => {
      const victim = machines.find(({ process }) => process === (isAtWriter ? from : to));
      this.#after(delayMs, () => {
        if (victim === undefined || victim.isDown) return;
        victim.kill();
        this.#after(this.#duration(5_000), () => this.#restart(victim));
      });
    });
  }

  #powerOff(): void {
    const machine = this.#machine();
    machine.powerOff();
    this.#after(500 + this.#duration(60_000), () => this.#restart(machine));
  }

  #pause(): void {
    const machine = this.#machine();
    machine.pause();
    this.#universe.world.note(`${machine.name} is stopped`);
    this.#after(this.#duration(30_000), () => {
      this.#universe.world.note(`${machine.name} goes on`);
      machine.resume();
    });
  }

  #partition(): void {
    const { world, internet, machines } = this.#universe;
    const one = this.#machine();
    const isOneWay = world.random.fraction() < 0.4;
    const others = world.random.fraction() < 0.3 ? machines : [this.#oneOf(machines)];
    const ways = others
      .filter((other) => other !== one)
      .flatMap((other) => [
        internet.way(one.host, other.host),
        ...(isOneWay ? [] : [internet.way(other.host, one.host)]),
      ]);
    const forMs = this.#duration(90_000);
    world.note(
      `${one.name} ${isOneWay ? 'cannot send to' : 'is cut from'} ${others.map(({ name }) => name)} for ${forMs}`,
    );
    for (const way of ways) way.isBlocked = true;
    this.#after(forMs, () => {
      for (const way of ways) way.isBlocked = false;
    });
  }

  #reset(): void {
    const { world, internet } = this.#universe;
    for (const connection of [...internet.connections]) {
      if (world.random.fraction() < 0.5) continue;
      const how = this.#oneOf(['broken', 'broken later', 'forgotten'] as const);
      if (how === 'broken') connection.breakBoth();
      else if (how === 'forgotten') connection.isForgotten = true;
      else connection.resetAfterBytes = connection.receivedBytes + world.random.integer(3_000);
    }
    world.note('connections break');
  }

  #move(): void {
    const { world } = this.#universe;
    const machine = this.#machine();
    const addresses = [`10.0.1.${this.#nextAddress++ % 250}`];
    if (world.random.fraction() < 0.2) addresses.push(`fd00::${this.#nextAddress}`);
    if (world.random.fraction() < 0.2) addresses.push(...machine.host.addresses);
    this.#universe.moveTo(machine, addresses, this.#oneOf([0, 0, 10_000, 60_000]));
  }

  #flap(): void {
    const { host, name } = this.#machine();
    if (host.addresses.size === 0) return;
    this.#flapped.set(host, [...host.addresses]);
    host.addresses.clear();
    this.#universe.world.note(`${name} has no address`);
    this.#after(this.#duration(30_000), () => this.#giveBack(host));
  }

  #giveBack(host: SimulatedHost): void {
    const addresses = this.#flapped.get(host) ?? [];
    this.#flapped.delete(host);
    // It may have moved meanwhile.
    if (host.addresses.size === 0) for (const address of addresses) host.addresses.add(address);
  }

  #swap(): void {
    const { machines } = this.#universe;
    const one = this.#machine();
    const other = this.#oneOf(machines.filter((machine) => machine !== one));
    const ofOne = [...one.host.addresses];
    const ofOther = [...other.host.addresses];
    if (ofOne.length === 0 || ofOther.length === 0) return;
    const staleMs = this.#oneOf([0, 5_000, 60_000]);
    this.#universe.moveTo(one, ofOther, staleMs);
    this.#universe.moveTo(other, ofOne, staleMs);
  }

  #troubleNames(): void {
    const { names, world } = this.#universe;
    const { host } = this.#machine();
    const { hostName } = this.#machine();
    const trouble = this.#oneOf<NameTrouble>(['NOT_FOUND', 'SERVER_FAILED', 'SILENT']);
    names.trouble(host, hostName, trouble);
    world.note(`${host.name} asks for ${hostName}: ${trouble}`);
    this.#after(this.#duration(60_000), () => names.trouble(host, hostName, undefined));
  }

  /** The name answers with addresses of others, of nobody, and sometimes with the right one among them. */
  #mislead(): void {
    const { names, world, hosts } = this.#universe;
    const machine = this.#machine();
    const right = names.addressesOf(machine.hostName);
    const wrong = [...this.#machine().host.addresses, `10.9.9.${world.random.integer(200)}`];
    const answer = world.random.fraction() < 0.6 ? [...wrong, ...right] : wrong;
    names.set(machine.hostName, answer, hosts);
    world.note(`${machine.hostName} is said to be ${answer}`);
    this.#after(this.#duration(30_000), () => {
      const addresses = [...machine.host.addresses];
      names.set(machine.hostName, addresses.length > 0 ? addresses : right, hosts);
    });
  }

  #slowDisk(): void {
    const { world } = this.#universe;
    const { disk, name } = this.#machine();
    const syncMs = this.#duration(world.random.fraction() < 0.2 ? 10_000 : 100);
    disk.syncMs = () => syncMs * (0.5 + world.random.fraction());
    world.note(`${name} syncs in ${syncMs} ms`);
    this.#after(this.#duration(20_000), () => disk.beQuick());
  }

  #failSync(): void {
    const machine = this.#machine();
    const outcome = this.#oneOf(['there', 'lost', 'there', 'lost', 'unknown'] as const);
    this.#universe.world.note(`the disk of ${machine.name} fails: ${outcome}`);
    machine.failSync(outcome, 100 + this.#duration(5_000));
    if (outcome !== 'unknown') return;
    const { process } = machine;
    // Also when everything else has healed meanwhile: such a store needs a person.
    this.#universe.world.at(8_000, () => {
      if (process === undefined || machine.process !== process) return;
      machine.kill();
      this.#restart(machine);
    });
  }

  #fillDisk(): void {
    const machine = this.#machine();
    this.#universe.world.note(`the disk of ${machine.name} is full`);
    machine.setFull(true);
    this.#after(this.#duration(20_000), () => machine.setFull(false));
  }

  #limitQueue(): void {
    const machine = this.#machine();
    const queue = this.#operator.limitOne(machine);
    if (queue !== undefined) this.#after(this.#duration(30_000), () => this.#operator.liftLimit(machine, queue));
  }

  #jumpClock(): void {
    const { host, name } = this.#machine();
    const byMs = this.#oneOf([86_400_000, -86_400_000, 3_600_000, -20_000]);
    host.wallOffsetMs += byMs;
    this.#universe.world.note(`the wall clock of ${name} jumps by ${byMs}`);
  }

  #breakListener(): void {
    const { host } = this.#machine();
    for (const listener of [...this.#universe.internet.listeners]) if (listener.host === host) listener.break();
  }

  #operate(): void {
    const { machine, queue } = this.#operator.choose(this.#machine()) ?? {};
    if (machine === undefined || queue === undefined) return;
    switch (this.#oneOf(['hold', 'retry', 'purge', 'park'] as const)) {
      case 'hold':
        this.#operator.hold(machine, queue);
        this.#after(this.#duration(30_000), () => this.#operator.releaseAll(machine));
        return;
      case 'retry':
        machine.running?.transfer.retry(queue);
        return;
      case 'purge':
        this.#operator.takeAway(machine, queue, 'purged');
        return;
      case 'park':
        this.#operator.takeAway(machine, queue, 'parked');
        return;
    }
  }

  #incident(): void {
    const { world, ledger } = this.#universe;
    if (this.#incidentsLeft === 0) return;
    const machine = this.#machine();
    const backup = this.#backups.get(machine);
    switch (this.#oneOf(['backUp', 'backUp', 'restore', 'lose'] as const)) {
      case 'backUp':
        if (machine.disk.memory.database === undefined) return;
        world.note(`${machine.name} is backed up`);
        this.#backups.set(machine, machine.disk.backUp());
        return;
      case 'restore':
        if (backup === undefined) return;
        machine.kill();
        ledger.incident(machine.name, 'rolled back');
        machine.disk.restore(backup, this.#universe.nextLineage());
        break;
      case 'lose':
        machine.kill();
        ledger.incident(machine.name, 'lost');
        machine.disk.lose(this.#universe.nextLineage());
        break;
    }
    this.#incidentsLeft--;
    this.#after(this.#duration(5_000), () => this.#restart(machine));
  }
}

/** Weights of the faults against each other, and how long it is quiet between two. */
export interface FaultRates {
  readonly meanPauseMs: number;
  readonly kill: number;
  readonly ambush: number;
  readonly powerOff: number;
  readonly pause: number;
  readonly partition: number;
  readonly reset: number;
  readonly move: number;
  readonly flap: number;
  readonly swap: number;
  readonly names: number;
  readonly mislead: number;
  readonly slowDisk: number;
  readonly failSync: number;
  readonly full: number;
  readonly quota: number;
  readonly clock: number;
  readonly listener: number;
  readonly operator: number;
  readonly incident: number;
}
