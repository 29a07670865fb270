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
    const { kills, failpoints, seed, tell } = this.#options;
    const startedMs = performance.now();
    const fraction = seededFraction(seed);
    const sender = new LifeProcess('web.ts', [this.#store, this.#ledger]);
    const deaths = planDeaths(kills, failpoints, fraction);
    while (deaths.length > 0 && this.#unexpectedEnds.length === 0) {
      const death = deaths.shift() as Death;
      tell(`kill ${this.#kills + 1} of ${kills}: ${death.kind === 'failpoint' ? death.failpoint : 'at random'}`);
      const wasReached = await this.#live(death);
      // A life that did not come by its failpoint so often is followed by one that dies there at once.
      if (!wasReached && death.kind === 'failpoint' && death.passage > 1) deaths.push({ ...death, passage: 1 });
    }
    tell('draining');
    sender.askToEnd();
    await this.#endInOrder('drain.ts', sender);
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
      seconds: (performance.now() - startedMs) / 1000,
    };
  }

  /** True when the process died as planned; one that did not come by its failpoint in time is killed all the same. */
  async #live(death: Death): Promise<boolean> {
    const armed =
      death.kind === 'failpoint' ? { POSTHORN_FAILPOINT: `${death.failpoint}:${death.passage}` } : undefined;
    const life = new LifeProcess('life.ts', [this.#store, this.#ledger, String(++this.#lives)], armed);
    const reaper = this.#killInTime(life, death);
    const end = await life.ended;
    reaper.cancel();
    if (end.signal !== 'SIGKILL') {
      const wasAsked = death.kind === 'failpoint' && death.askToEndAfterMs !== undefined && end.code === 0;
      if (!wasAsked) this.#unexpectedEnds.push(`life ${this.#lives}, ${JSON.stringify(death)}: ${describeEnd(end)}`);
      return false;
    }
    this.#kills++;
    if (!end.wasReady) this.#killsBeforeReady++;
    if (end.failpoint === undefined) this.#killsAtRandomMoments++;
    else this.#killsByFailpoint.set(end.failpoint, (this.#killsByFailpoint.get(end.failpoint) ?? 0) + 1);
    return death.kind === 'random' || end.failpoint !== undefined;
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
    if (death.kind === 'failpoint') {
      after(FAILPOINT_LIFE_MS, kill);
      const { askToEndAfterMs } = death;
      if (askToEndAfterMs !== undefined) void life.ready.then(() => after(askToEndAfterMs, () => life.askToEnd()));
    }
    return {
      cancel: () => {
        for (const timer of pending) timer.cancel();
      },
    };
  }

  /** Runs the last life to its end; the sender needs it for its last answers. */
  async #endInOrder(program: string, sender: LifeProcess): Promise<void> {
    const last = await new LifeProcess(program, [this.#store]).ended;
    const senderEnd = await sender.ended;
    for (const [what, end] of Object.entries({ 'the last life': last, 'the sender': senderEnd })) {
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
  readonly failpoints: readonly Failpoint[];
  readonly minimum: number;
  readonly seed: number;
  /** Where store and ledger are made. */
  readonly directory: string;
  tell(progress: string): void;
}

/** A life comes by each failpoint long before this. */
const FAILPOINT_LIFE_MS = 5_000;

function describeEnd({ code, signal, errorText }: End): string {
  return `ended with ${signal ?? `code ${code}`}\n${errorText.slice(0, 2_000)}`;
}
