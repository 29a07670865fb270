import type { Failpoint } from '../../../src/io/failpoint.ts';
import { nodeIo } from '../../../src/io/node-io.ts';
import { type End, LifeProcess } from '../life-process.ts';
import { type Death, planDeaths } from '../schedule.ts';
import { forgetStream } from './forget-stream.ts';
import type { LifeSettings } from './life-settings.ts';

/**
 * The lives of one machine, one after the other, each killed as planned:
 *
 *     idle ──live()──▶ a process runs ──killed by itself, by us, with the other machine──▶ idle ──▶ …
 *       └──forget()──▶ the directory is changed ──▶ idle
 *
 * Whoever uses the directory has it alone, in the order of asking.
 */
export class MachineLives {
  readonly #options: MachineLivesOptions;
  readonly #deaths: Death[];
  readonly #notReached = new Map<Failpoint, number>();
  readonly killsByFailpoint = new Map<Failpoint, number>();
  readonly unexpectedEnds: string[] = [];
  /** What reconciliation told, and how often. */
  readonly events = new Map<string, number>();
  kills = 0;
  killsAtRandomMoments = 0;
  killsBeforeReady = 0;
  #isDyingAsPlanned = false;
  #lives = 0;
  #current: LifeProcess | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #started = Promise.withResolvers<void>();

  constructor(options: MachineLivesOptions) {
    const { failpoints, kills, fraction } = options;
    this.#options = options;
    for (const failpoint of failpoints) this.killsByFailpoint.set(failpoint, 0);
    this.#deaths = planDeaths(kills, failpoints, fraction);
    // A new epoch needs a stream over which something was sent before.
    this.#deaths.sort((one, other) => Number(isOfNewEpoch(one)) - Number(isOfNewEpoch(other)));
  }

  /** All planned deaths have been died. */
  get isDone(): boolean {
    return this.#deaths.length === 0 && !this.#isDyingAsPlanned;
  }

  /** Lives and dies once: the next planned death, or when none is left, one at a random moment. */
  async live(): Promise<void> {
    const { fraction, peer } = this.#options;
    const planned = this.#deaths.shift();
    this.#isDyingAsPlanned = planned !== undefined;
    const death = planned ?? (planDeaths(1, [], fraction)[0] as Death);
    if (isOfNewEpoch(death)) await peer().forget();
    const end = await this.#alone(() => this.#liveUntil(death));
    this.#noteEnd(death, end);
    this.#isDyingAsPlanned = false;
  }

  /** Kills the process that runs, if one does. */
  killNow(): void {
    this.#current?.kill();
  }

  /** Kills the machine and has its store forget the stream of `renewed`: the sender must begin a new epoch. */
  forget(): Promise<void> {
    this.killNow();
    return this.#alone(() => forgetStream(this.#options.settings.directory, 'renewed'));
  }

  /** The last life, which ends when it is asked to. */
  startLast(): LifeProcess {
    this.#current = this.#start({ isLast: true });
    return this.#current;
  }

  noteLast(end: End): void {
    this.#noteEvents(end);
    if (end.code !== 0) this.unexpectedEnds.push(`the last life of ${this.#machine}: ${describeEnd(end)}`);
  }

  get #machine(): string {
    return this.#options.settings.machine;
  }

  #alone<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #start({ isLast = false, armed }: { isLast?: boolean; armed?: string }): LifeProcess {
    const settings: LifeSettings = { ...this.#options.settings, life: ++this.#lives, isLast };
    const environment = armed === undefined ? {} : { POSTHORN_FAILPOINT: armed };
    return new LifeProcess('machines/life.ts', [JSON.stringify(settings)], { environment });
  }

  async #liveUntil(death: Death): Promise<End> {
    const { tell } = this.#options;
    tell(`${this.#machine}: life ${this.#lives + 1}, ${death.kind === 'failpoint' ? death.failpoint : 'at random'}`);
    const armed = death.kind === 'failpoint' ? { armed: `${death.failpoint}:${death.passage}` } : {};
    const life = this.#start(armed);
    this.#current = life;
    const started = this.#started;
    this.#started = Promise.withResolvers();
    void life.ready.then(() => started.resolve());
    const cancel = this.#killInTime(life, death);
    const end = await life.ended;
    cancel();
    this.#current = undefined;
    return end;
  }

  /** Kills the process at its random moment, sometimes the other machine's with it; at a failpoint it kills itself, within a limit. */
  #killInTime(life: LifeProcess, death: Death): () => void {
    const { fraction, peer } = this.#options;
    const pending: { cancel(): void }[] = [];
    const after = (delayMs: number, action: () => void): void => {
      pending.push(nodeIo().timers.after(delayMs, action, { keepsProcessAlive: true }));
    };
    const isBoth = fraction() < KILLS_OF_BOTH;
    const kill = (): void => {
      life.kill();
      if (isBoth) peer().killNow();
    };
    let isOver = false;
    const whenBothRun = (action: () => void): void => {
      const act = (): void => {
        if (!isOver) action();
      };
      void life.ready.then(() => peer().ready).then(act);
    };
    after(LIFE_MS_MAX, () => life.kill());
    whenBothRun(() => after(LIFE_MS_MAX_TOGETHER, () => life.kill()));
    if (death.kind === 'failpoint') {
      const { askToEndAfterMs } = death;
      if (askToEndAfterMs !== undefined) whenBothRun(() => after(askToEndAfterMs, () => life.askToEnd()));
    } else if (death.from === 'start') after(death.afterMs, kill);
    else whenBothRun(() => after(death.afterMs, kill));
    return () => {
      isOver = true;
      for (const timer of pending) timer.cancel();
    };
  }

  /** Resolves when the process that runs, or the next one, is ready or has ended. */
  get ready(): Promise<unknown> {
    return this.#current?.ready ?? this.#started.promise;
  }

  #noteEnd(death: Death, end: End): void {
    this.#noteEvents(end);
    if (end.signal === 'SIGKILL') {
      this.kills++;
      if (!end.wasReady) this.killsBeforeReady++;
      const { failpoint } = end;
      if (failpoint === undefined) this.killsAtRandomMoments++;
      else this.killsByFailpoint.set(failpoint, (this.killsByFailpoint.get(failpoint) ?? 0) + 1);
    } else if (death.kind !== 'failpoint' || death.askToEndAfterMs === undefined || end.code !== 0) {
      this.unexpectedEnds.push(`${this.#machine}, life ${this.#lives}, ${JSON.stringify(death)}: ${describeEnd(end)}`);
    }
    if (death.kind === 'failpoint' && end.failpoint === undefined) this.#planAgain(death);
  }

  /** It did not come by its failpoint so often, or was killed before. The next one is to die there at once. */
  #planAgain(death: Death & { kind: 'failpoint' }): void {
    const times = (this.#notReached.get(death.failpoint) ?? 0) + 1;
    this.#notReached.set(death.failpoint, times);
    if (times <= AGAIN_MAX) this.#deaths.push({ ...death, passage: 1 });
  }

  #noteEvents({ errorText }: End): void {
    for (const [, event = ''] of errorText.matchAll(/^event (\S+ \S+)$/gm)) {
      this.events.set(event, (this.events.get(event) ?? 0) + 1);
    }
  }
}

export interface MachineLivesOptions {
  readonly settings: Omit<LifeSettings, 'life' | 'isLast'>;
  readonly failpoints: readonly Failpoint[];
  readonly kills: number;
  /** Chance, in [0, 1). */
  fraction(): number;
  /** The other machine. */
  peer(): MachineLives;
  tell(progress: string): void;
}

function isOfNewEpoch(death: Death): boolean {
  return death.kind === 'failpoint' && death.failpoint.endsWith('-new-epoch');
}

function describeEnd({ code, signal, errorText }: End): string {
  return `ended with ${signal ?? `code ${code}`}\n${errorText.slice(0, 2_000)}`;
}

/** A life comes by its failpoint long before this, when both machines run. */
const LIFE_MS_MAX_TOGETHER = 8_000;
/** On a machine that is busy with other things. */
const LIFE_MS_MAX = 60_000;
/** Of the kills at random moments, so many take both machines at once. */
const KILLS_OF_BOTH = 0.25;
const AGAIN_MAX = 5;
