import { join } from 'node:path';
import type { Failpoint } from '../../../src/io/failpoint.ts';
import { nodeIo } from '../../../src/io/node-io.ts';
import { readLedger } from '../ledger.ts';
import { seededFraction } from '../schedule.ts';
import { countDone, readContents } from './contents.ts';
import { freePlace } from './free-place.ts';
import { MachineLives } from './machine-lives.ts';
import type { MachinesReport } from './report.ts';
import { untilQuiet } from './until-quiet.ts';
import { judge } from './verdict.ts';
import { type Kind, MACHINES, type Machine, peerOf } from './workload.ts';

/**
 * One run of the crash test over two machines that send to each other the whole time: life after life of each, killed as
 * planned and without regard to the other, or both at once; then the last lives send nothing more, everything that is on
 * its way comes to its end, and what is there is compared with the ledger.
 */
export class MachinesRun {
  readonly #options: MachinesRunOptions;
  readonly #startedMs = performance.now();

  constructor(options: MachinesRunOptions) {
    this.#options = options;
  }

  async run(): Promise<MachinesReport> {
    const { directory, seed, minimum, tell } = this.#options;
    const machines = await this.#makeMachines();
    const all = MACHINES.map((machine) => machines[machine]);
    await Promise.all(all.map((machine) => this.#goOn(machine, all)));
    const doneBefore = {
      alpha: await countDone(this.#directoryOf('alpha')),
      beta: await countDone(this.#directoryOf('beta')),
    };
    tell('draining');
    await this.#lastLives(machines);
    const ledger = readLedger(join(directory, 'ledger'));
    const contents = {
      alpha: await readContents(this.#directoryOf('alpha')),
      beta: await readContents(this.#directoryOf('beta')),
    };
    return {
      seed,
      minimum,
      machines: MACHINES.map((machine) => reportOf(machine, machines[machine], doneBefore[machine])),
      verdict: judge(ledger, contents),
      seconds: this.#seconds,
    };
  }

  /** Until both have died all their deaths: none of them may be without the other while it dies. */
  async #goOn(machine: MachineLives, all: readonly MachineLives[]): Promise<void> {
    const isAllDone = (): boolean => all.every(({ isDone }) => isDone) && this.#seconds >= this.#options.secondsMin;
    const hasFailed = (): boolean => all.some(({ unexpectedEnds }) => unexpectedEnds.length > 0);
    while (!isAllDone() && !hasFailed()) await machine.live();
  }

  async #makeMachines(): Promise<Record<Machine, MachineLives>> {
    const { failpoints, seed, tell, kinds, directory } = this.#options;
    const places = { alpha: await freePlace(), beta: await freePlace() };
    const lives = (machine: Machine, kills: number): MachineLives => {
      const peer = places[peerOf(machine)];
      return new MachineLives({
        settings: {
          machine,
          directory: this.#directoryOf(machine),
          ledger: join(directory, 'ledger'),
          place: places[machine],
          peer: `${peer.address}:${peer.port}`,
          kinds,
        },
        failpoints,
        kills,
        fraction: seededFraction(seed + MACHINES.indexOf(machine)),
        peer: () => machines[peerOf(machine)],
        tell,
      });
    };
    const half = Math.ceil(this.#options.kills / 2);
    const machines = { alpha: lives('alpha', half), beta: lives('beta', half) };
    return machines;
  }

  async #lastLives(machines: Record<Machine, MachineLives>): Promise<void> {
    const lives = MACHINES.map((machine) => ({ machine: machines[machine], process: machines[machine].startLast() }));
    const giveUp = (): void => {
      for (const { process } of lives) process.kill();
    };
    const limit = nodeIo().timers.after(LAST_LIFE_MS_MAX, giveUp);
    const areReady = (await Promise.all(lives.map(({ process }) => process.ready))).every((isReady) => isReady);
    const ended = Promise.all(lives.map(({ process }) => process.ended));
    if (areReady) {
      await Promise.race([untilQuiet(MACHINES.map((machine) => this.#directoryOf(machine))), ended]);
      for (const { process } of lives) process.askToEnd();
    }
    for (const [index, end] of (await ended).entries()) lives[index]?.machine.noteLast(end);
    limit.cancel();
  }

  #directoryOf(machine: Machine): string {
    return join(this.#options.directory, machine);
  }

  get #seconds(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }
}

export interface MachinesRunOptions {
  /** Of both together. */
  readonly kills: number;
  /** Goes on killing until so much time has passed. */
  readonly secondsMin: number;
  /** Each machine is killed at each of them. */
  readonly failpoints: readonly Failpoint[];
  readonly minimum: number;
  readonly seed: number;
  readonly kinds: readonly Kind[];
  /** Where the stores and the ledger are made. */
  readonly directory: string;
  tell(progress: string): void;
}

function reportOf(machine: Machine, lives: MachineLives, doneWhileKilled: number): MachinesReport['machines'][number] {
  const { kills, killsByFailpoint, killsAtRandomMoments, killsBeforeReady, unexpectedEnds, events } = lives;
  return {
    machine,
    doneWhileKilled,
    kills,
    killsByFailpoint: Object.fromEntries(killsByFailpoint),
    killsAtRandomMoments,
    killsBeforeReady,
    unexpectedEnds,
    events: Object.fromEntries(events),
  };
}

/** Messages for a queue that is not there wait 30 s, because it may still be made; what takes much longer hangs. */
const LAST_LIFE_MS_MAX = 120_000;
