import { join } from 'node:path';
import type { Failpoint } from '../../src/io/failpoint.ts';
import { nodeIo } from '../../src/io/node-io.ts';
import { openQueueManager } from '../../src/operations/open-queue-manager.ts';
import { readContents } from './contents.ts';
import { readLedger } from './ledger.ts';
import { type End, LifeProcess } from './life-process.ts';
import type { Report } from './report.ts';
import { type Death, planDeaths, seededFraction } from './schedule.ts';
import { type Contents, judge } from './verdict.ts';

/**
 * One run of the crash test: life after life on one directory, each killed as planned, while a process apart sends over
 * the control socket; then a last life drains the queues, and what is there is compared with the ledger.
 */
export class CrashRun {
  readonly #options: CrashRunOptions;
  readonly #store: string;
  readonly #ledger: string;
  readonly #killsByFailpoint = new Map<Failpoint, number>();
  readonly #unexpectedEnds: string[] = [];
  #lives = 0;
  #kills = 0;
  #killsAtRandomMoments = 0;
  #killsBeforeReady = 0;

  constructor(options: CrashRunOptions) {
    this.#options = options;
    this.#store = join(options.directory, 'store');
    this.#ledger = join(options.directory, 'ledger');
    for (const failpoint of options.failpoints) this.#killsByFailpoint.set(failpoint, 0);
  }

  async run(): Promise<Report> {
    const { kills, secondsMin, failpoints, seed, tell } = this.#options;
    const startedMs = performance.now();
    const fraction = seededFraction(seed);
    const sender = await this.#firstLife();
    const deaths = planDeaths(kills - 1, failpoints, fraction);
    const seconds = (): number => (performance.now() - startedMs) / 1000;
    while ((deaths.length > 0 || seconds() < secondsMin) && this.#unexpectedEnds.length === 0) {
      if (deaths.length === 0) deaths.push(...planDeaths(2 * failpoints.length, failpoints, fraction));
      const death = deaths.shift() as Death;
      tell(`kill ${this.#kills + 1} of ${kills}: ${death.kind === 'failpoint' ? death.failpoint : 'at random'}`);
      const wasReached = await this.#live(death);
      // A life that did not come by its failpoint so often is followed by one that dies there at once.
      if (!wasReached && death.kind === 'failpoint' && death.passage > 1) deaths.push({ ...death, passage: 1 });
    }
    tell('draining');
    await this.#lastLife(sender);
    const contents = await this.#readStore();
    return {
      seed,
      kills: this.#kills,
      killsByFailpoint: Object.fromEntries(this.#killsByFailpoint),
      killsAtRandomMoments: this.#killsAtRandomMoments,
      killsBeforeReady: this.#killsBeforeReady,
      minimum: this.#options.minimum,
      verdict: judge(readLedger(this.#ledger), contents),
      unexpectedEnds: this.#unexpectedEnds,
      seconds: seconds(),
    };
  }

  /** Lives until the process that sends over its control socket has found it, and is the first to be killed. */
  async #firstLife(): Promise<LifeProcess> {
    const life = this.#startLife();
    await life.ready;
    const sender = new LifeProcess('web.ts', [this.#store, this.#ledger]);
    if (!(await sender.ready)) this.#unexpectedEnds.push(`the sender: ${describeEnd(await sender.ended)}`);
    life.kill();
    this.#countKill(await life.ended);
    return sender;
  }

  #startLife(environment: Readonly<Record<string, string>> = {}): LifeProcess {
    return new LifeProcess('life.ts', [this.#store, this.#ledger, String(++this.#lives)], { environment });
  }

  /** True when the process died as planned; one that did not come by its failpoint in time is killed all the same. */
  async #live(death: Death): Promise<boolean> {
    const armed =
      death.kind === 'failpoint' ? { POSTHORN_FAILPOINT: `${death.failpoint}:${death.passage}` } : undefined;
    const life = this.#startLife(armed);
    const reaper = this.#killInTime(life, death);
    const end = await life.ended;
    reaper.cancel();
    if (end.signal !== 'SIGKILL') {
      const wasAsked = death.kind === 'failpoint' && death.askToEndAfterMs !== undefined && end.code === 0;
      if (!wasAsked) this.#unexpectedEnds.push(`life ${this.#lives}, ${JSON.stringify(death)}: ${describeEnd(end)}`);
      return false;
    }
    this.#countKill(end);
    return death.kind === 'random' || end.failpoint !== undefined;
  }

  #countKill(end: End): void {
    this.#kills++;
    if (!end.wasReady) this.#killsBeforeReady++;
    if (end.failpoint === undefined) this.#killsAtRandomMoments++;
    else this.#killsByFailpoint.set(end.failpoint, (this.#killsByFailpoint.get(end.failpoint) ?? 0) + 1);
  }

  /** Kills the process at its random moment; at a failpoint it kills itself, within a limit. */
  #killInTime(life: LifeProcess, death: Death): { cancel(): void } {
    const { timers } = nodeIo();
    const pending: { cancel(): void }[] = [];
    const after = (delayMs: number, action: () => void): void => {
      pending.push(timers.after(delayMs, action, { keepsProcessAlive: true }));
    };
    const kill = (): void => life.kill();
    if (death.kind === 'random' && death.from === 'start') after(death.afterMs, kill);
    if (death.kind === 'random' && death.from === 'ready') void life.ready.then(() => after(death.afterMs, kill));
    after(LIFE_MS_MAX, kill);
    if (death.kind === 'failpoint') {
      const { askToEndAfterMs } = death;
      if (askToEndAfterMs !== undefined) void life.ready.then(() => after(askToEndAfterMs, () => life.askToEnd()));
    }
    return {
      cancel: () => {
        for (const timer of pending) timer.cancel();
      },
    };
  }

  /** The sender gets its last answers from it; then it drains all queues and ends in good order. */
  async #lastLife(sender: LifeProcess): Promise<void> {
    const life = new LifeProcess('drain.ts', [this.#store, this.#ledger]);
    const giveUp = (): void => {
      sender.kill();
      life.kill();
    };
    const limit = nodeIo().timers.after(LAST_LIFE_MS_MAX, giveUp);
    sender.askToEnd();
    const senderEnd = await sender.ended;
    life.askToEnd();
    const lastEnd = await life.ended;
    limit.cancel();
    for (const [what, end] of Object.entries({ 'the sender': senderEnd, 'the last life': lastEnd })) {
      if (end.code !== 0) this.#unexpectedEnds.push(`${what}: ${describeEnd(end)}`);
    }
  }

  async #readStore(): Promise<Contents> {
    const manager = await openQueueManager({ directory: this.#store });
    try {
      return await readContents(manager);
    } finally {
      await manager.close();
    }
  }
}

export interface CrashRunOptions {
  readonly kills: number;
  /** Goes on killing until so much time has passed. */
  readonly secondsMin: number;
  readonly failpoints: readonly Failpoint[];
  readonly minimum: number;
  readonly seed: number;
  /** Where store and ledger are made. */
  readonly directory: string;
  tell(progress: string): void;
}

/** A life is ready, and comes by its failpoint, long before this. */
const LIFE_MS_MAX = 8_000;
/** Draining is a matter of seconds; what takes longer hangs. */
const LAST_LIFE_MS_MAX = 120_000;

function describeEnd({ code, signal, errorText }: End): string {
  return `ended with ${signal ?? `code ${code}`}\n${errorText.slice(0, 2_000)}`;
}
