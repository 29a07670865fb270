import assert from 'node:assert/strict';
import type { OutgoingStatus } from '../../src/transfer/outgoing-status.ts';
import { audit } from './audit.ts';
import { type MachinePlan, type PlannedMessage, runPrograms, sendBatch } from './programs.ts';
import type { MachineOptions, RunningMachine, SimulatedMachine } from './simulated-machine.ts';
import { Universe } from './universe.ts';

/**
 * Machines in a world, for stories that are told and not left to chance. Every machine has the queue `billing` and consumes
 * it; every unit and every byte is checked as in the runs of the simulator.
 */
export class MachinesStory {
  readonly universe: Universe;

  private constructor(seed: number) {
    this.universe = new Universe({ seed });
    this.universe.internet.manners.cutRate = 0;
  }

  /** All of them are up. */
  static async begin(names: readonly string[], options: StoryOptions = {}): Promise<MachinesStory> {
    const story = new MachinesStory(options.seed ?? 1);
    for (const name of names) story.add(name, options.machines?.[name]);
    for (const { name } of story.universe.machines) await story.start(name);
    return story;
  }

  add(name: string, options: MachineOptions = {}): SimulatedMachine {
    const machine = this.universe.addMachine(name, options);
    machine.program = (running) => runPrograms(this.universe, PLAN, running);
    return machine;
  }

  get world() {
    return this.universe.world;
  }

  get nowMs(): number {
    return this.world.nowMs;
  }

  machine(name: string): SimulatedMachine {
    const machine = this.universe.find(name);
    assert.ok(machine, `there is a machine ${name}`);
    return machine;
  }

  running(name: string): RunningMachine {
    const { running } = this.machine(name);
    assert.ok(running, `${name} is up`);
    return running;
  }

  async start(name: string): Promise<void> {
    await this.world.settle(`the start of ${name}`, 30_000, this.machine(name).start());
    this.check();
  }

  /** Accepted by the sender's store when this resolves. */
  async send(from: string, to: string, count = 1, options: Partial<PlannedMessage> = {}): Promise<void> {
    const messages = Array.from({ length: count }, () => ({ ...MESSAGE, to, ...options }));
    const sending = sendBatch(this.universe, this.running(from), { atMs: 0, messages, unit: 'none' });
    await this.world.settle(`a send at ${from}`, 60_000, sending);
    this.check();
  }

  /** One after the other, `everyMs`, until the machine dies or `count` are sent; in the background. */
  load(from: string, to: string, everyMs: number, count: number): void {
    if (count === 0) return;
    this.world.at(everyMs, () => {
      const { running } = this.machine(from);
      if (running === undefined) return this.load(from, to, everyMs, count);
      const messages = [{ ...MESSAGE, to }];
      void sendBatch(this.universe, running, { atMs: 0, messages, unit: 'none' });
      this.load(from, to, everyMs, count - 1);
    });
  }

  async advance(byMs: number): Promise<void> {
    await this.world.advance(byMs);
    this.check();
  }

  /** Lets time pass until it is so, and gives the time that took; fails after `withinMs`. */
  async until(what: string, withinMs: number, isSo: () => boolean): Promise<number> {
    const beganMs = this.nowMs;
    while (!isSo() && this.nowMs - beganMs < withinMs) {
      await this.world.advance(LOOK_EVERY_MS);
      this.check();
    }
    assert.ok(isSo(), `${what} within ${withinMs} ms\n${this.world.trace.last(40).join('\n')}`);
    return this.nowMs - beganMs;
  }

  /** Messages of `from` that are durable at `to`, in the order of their arrival. */
  arrivedFrom(from: string, to: string): number[] {
    const { arrivals } = this.machine(to).disk.history;
    return [...arrivals]
      .filter(([id]) => this.universe.ledger.get(id)?.from === from)
      .sort(([, one], [, other]) => (one[0]?.order ?? 0) - (other[0]?.order ?? 0))
      .map(([id]) => id);
  }

  /** Until so many of `from` have ever arrived at `to`; the time that took. */
  arrival(from: string, to: string, count: number, withinMs: number): Promise<number> {
    return this.until(
      `${count} messages of ${from} are at ${to}`,
      withinMs,
      () => this.universe.ledger.arrivedCount(from, to) >= count,
    );
  }

  /** Until nothing is on the way any more. */
  settled(withinMs = 60_000): Promise<number> {
    return this.until('everything is consumed', withinMs, () => this.universe.machines.every((one) => isDrained(one)));
  }

  async status(from: string, to: string): Promise<OutgoingStatus> {
    const describing = this.running(from).transfer.describeOutgoing();
    const all = await this.world.settle('describeOutgoing', 10_000, describing);
    const status = all?.find(({ queue }) => queue === `billing@${to}`);
    assert.ok(status, `${from} has an outgoing queue billing@${to}`);
    return status;
  }

  /** Looks every 100 ms until the outgoing queue is in such a state. */
  async untilState(
    from: string,
    to: string,
    withinMs: number,
    isSo: (status: OutgoingStatus) => boolean,
  ): Promise<OutgoingStatus> {
    const beganMs = this.nowMs;
    for (;;) {
      const status = await this.status(from, to);
      if (isSo(status)) return status;
      assert.ok(this.nowMs - beganMs < withinMs, `within ${withinMs} ms, but it is ${JSON.stringify(status, null, 1)}`);
      await this.advance(100);
    }
  }

  /** Cuts what `from` sends to `to`, or with `both` both ways. */
  cut(from: string, to: string, isCut: boolean, options: { readonly both?: boolean } = {}): void {
    const { internet } = this.universe;
    const [one, other] = [this.machine(from).host, this.machine(to).host];
    internet.way(one, other).isBlocked = isCut;
    if (options.both === true) internet.way(other, one).isBlocked = isCut;
  }

  move(name: string, address: string, staleMs = 0): void {
    this.universe.moveTo(this.machine(name), [address], staleMs);
  }

  /** Whatever the checks of the simulator have found ends the story. */
  check(): void {
    const { failure } = this.world;
    if (failure === undefined) return;
    assert.fail(`${failure.check}: ${failure.text}\n${this.world.trace.last(60).join('\n')}`);
  }

  /** Waits until all is handed over and consumed, stops everything in order, and audits. */
  async end(withinMs = 120_000): Promise<void> {
    await this.settled(withinMs);
    const report = await audit(this.universe);
    this.check();
    assert.ok(report.sent > 0);
  }
}

export interface StoryOptions {
  readonly seed?: number;
  readonly machines?: Readonly<Record<string, MachineOptions>>;
}

function isDrained({ running }: SimulatedMachine): boolean {
  if (running === undefined) return false;
  const { manager } = running;
  const waiting = [...manager.outgoingStatus(), ...manager.status().filter(({ queue }) => queue === 'billing')];
  return waiting.every(({ messages, delayed }) => messages + delayed === 0);
}

const LOOK_EVERY_MS = 5;

const MESSAGE: PlannedMessage = { to: '', queue: 'billing', priority: 3, padding: 100 };

const PLAN: MachinePlan = {
  queues: [{ name: 'billing', madeAfterMs: 0 }],
  sends: [],
  consumersPerQueue: 1,
  handlingMsMax: 0,
  rollbackRate: 0,
  forwardRate: 0,
  chooseForward: () => MESSAGE,
};
