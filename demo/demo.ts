import { join } from 'node:path';
import { BROKEN_EVENT } from './contracts.ts';
import { Feeder } from './feeder.ts';
import { HostProcess } from './host-process.ts';
import { readLedger } from './ledger.ts';
import { askPosthorn, runPosthorn } from './posthorn-command.ts';
import { type Account, describeAccounts, isConsistent, reconcile } from './reconciliation.ts';
import { count, type Screen } from './screen.ts';
import { loadWebhooks } from './webhooks.ts';

const ROUNDS = 10;
const WEBHOOKS_PER_SECOND = 300;
const KILLS = 5;
/** The queues come to rest within seconds; on a very slow machine the demo would rather wait than judge too early. */
const DRAIN_MS_MAX = 120_000;
const POLL_MS = 400;

/** The story of the demo, step by step. */
export class Demo {
  readonly #screen: Screen;
  readonly #directory: string;
  readonly #ledgerPath: string;
  readonly #feeder: Feeder;
  #host: HostProcess | undefined;
  #kills = 0;

  constructor(screen: Screen, directory: string) {
    this.#screen = screen;
    this.#directory = join(directory, 'data');
    this.#ledgerPath = join(directory, 'ledger.db');
    this.#feeder = new Feeder(this.#directory);
  }

  /** Resolves with true when no message was lost and none handled twice. */
  async run(): Promise<boolean> {
    this.#introduce();
    await this.#startHost();
    await this.#feedAndKill();
    await this.#drain();
    await this.#showErrors();
    const before = await this.#stopAndCount();
    await this.#repair();
    await this.#returnToSource();
    const after = await this.#stopAndCount();
    return this.#judge(before, after);
  }

  /** Leaves no process behind. */
  async end(): Promise<void> {
    await this.#host?.kill();
    this.#host = undefined;
  }

  #introduce(): void {
    this.#screen.line('Posthorn: what becomes of messages when the process that handles them dies');
    this.#screen.line('');
    this.#screen.block(
      [
        'webhooks ──▶ intake ──▶ ledger   writes each into an SQLite ledger',
        '                    └─▶ notify   sends mail; fails now and then, and always',
        `                                 for '${BROKEN_EVENT}' until that is repaired`,
      ].join('\n'),
    );
  }

  async #startHost(): Promise<void> {
    this.#screen.step("Start the three endpoints with 'posthorn host demo/endpoints.ts'.");
    await this.#start();
    this.#screen.event(`host runs in process ${this.#host?.pid}`);
  }

  async #start(isRepaired = false): Promise<void> {
    const repaired = { POSTHORN_DEMO_REPAIRED: isRepaired ? 'yes' : 'no' };
    this.#host = await HostProcess.start(this.#directory, { POSTHORN_DEMO_LEDGER: this.#ledgerPath, ...repaired });
  }

  async #feedAndKill(): Promise<void> {
    const webhooks = loadWebhooks(ROUNDS);
    this.#screen.step(
      `Send ${count(webhooks.length)} webhooks from another process; kill the host ${KILLS} times meanwhile.`,
      'Accepted means on the disk. SIGKILL leaves a process no time to react.',
    );
    let isFed = false;
    const feeding = this.#feeder.feed(webhooks, WEBHOOKS_PER_SECOND).finally(() => {
      isFed = true;
    });
    // A failure is heard where it is awaited below; until then it must not end the process.
    feeding.catch(() => undefined);
    while (!isFed) {
      const nextKillAt = ((this.#kills + 0.5) / KILLS) * webhooks.length;
      if (this.#kills < KILLS && this.#feeder.accepted.size >= nextKillAt) await this.#killAndStart();
      else await this.#pause(this.#kills < KILLS ? 40 : POLL_MS);
      this.#screen.progress(`${count(this.#feeder.accepted.size)} of ${count(webhooks.length)} accepted`);
    }
    await feeding;
    this.#screen.event(`${count(this.#feeder.accepted.size)} webhooks accepted, host killed ${this.#kills} times`);
  }

  async #killAndStart(): Promise<void> {
    const killed = this.#host;
    // Somewhere in the middle of things.
    await this.#pause(Math.random() * 300);
    await killed?.kill();
    this.#kills++;
    const killedMs = performance.now();
    await this.#start();
    const downMs = Math.round(performance.now() - killedMs);
    this.#screen.event(
      `kill ${this.#kills}: process ${killed?.pid} is dead, ${this.#host?.pid} took over after ${downMs} ms`,
    );
  }

  async #drain(): Promise<void> {
    this.#screen.step('Wait until all is done; what fails is tried again, at once and after 1.5 s.');
    await this.#untilDrained();
  }

  async #untilDrained(): Promise<void> {
    const startedMs = performance.now();
    for (;;) {
      const queues = await askPosthorn<QueueLine>(this.#directory, 'queues');
      const of = (name: string): QueueLine | undefined => queues.find(({ queue }) => queue === name);
      const working = [of('intake'), of('ledger'), of('notify')];
      const waiting = sum(working.map((each) => (each?.messages ?? 0) + (each?.delayed ?? 0)));
      const delayed = sum(working.map((each) => each?.delayed ?? 0));
      const [done, failed] = [of('done')?.messages ?? 0, of('error')?.messages ?? 0];
      const text = `${count(done)} done, ${count(waiting)} waiting (${count(delayed)} of them delayed), ${count(failed)} failed`;
      if (waiting === 0) {
        this.#screen.event(text);
        return;
      }
      this.#screen.progress(text);
      if (performance.now() - startedMs > DRAIN_MS_MAX) throw new Error(`the queues do not come to rest: ${text}`);
      await this.#pause(POLL_MS);
    }
  }

  async #showErrors(): Promise<void> {
    this.#screen.step("See what failed, and why: 'posthorn errors group'.");
    this.#screen.block(await runPosthorn(this.#directory, 'errors', 'group'));
  }

  async #stopAndCount(): Promise<readonly Account[]> {
    this.#screen.step('Stop the host with SIGTERM, and look for every webhook by its id.');
    await this.#host?.stop();
    this.#host = undefined;
    const accounts = await reconcile(this.#directory, this.#feeder.accepted);
    this.#screen.block(describeAccounts(accounts));
    return accounts;
  }

  async #repair(): Promise<void> {
    this.#screen.step('Start a version of the endpoints without the fault.');
    await this.#start(true);
    this.#screen.event(`the repaired host runs in process ${this.#host?.pid}`);
  }

  async #returnToSource(): Promise<void> {
    this.#screen.step("Give the failed messages back: 'posthorn return-to-source error all'.");
    this.#screen.block(await runPosthorn(this.#directory, 'return-to-source', 'error', 'all'));
    await this.#untilDrained();
  }

  #judge(before: readonly Account[], after: readonly Account[]): boolean {
    const { webhookIds, repeats } = readLedger(this.#ledgerPath);
    const { accepted, unknown } = this.#feeder;
    const isLedgerRight = webhookIds.size === accepted.size && [...accepted].every((id) => webhookIds.has(id));
    this.#screen.line('');
    this.#screen.block(describeLedger(webhookIds.size, repeats));
    const isFinished = after.every(({ failed, waiting }) => failed === 0 && waiting === 0);
    const isConsistentAllAlong = [...before, ...after].every(isConsistent);
    const isRight = isConsistentAllAlong && isFinished && isLedgerRight && unknown.size === 0 && this.#kills === KILLS;
    this.#screen.line('');
    const seconds = Math.round(this.#screen.elapsedMs / 1000);
    this.#screen.line(
      isRight
        ? `Nothing was lost and nothing was handled twice: ${this.#kills} kills, ${seconds} seconds.`
        : `This is not right: see the numbers above (${unknown.size} sends without an answer, ${this.#kills} kills).`,
    );
    return isRight;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }
}

interface QueueLine {
  readonly queue: string;
  readonly messages: number;
  readonly delayed: number;
}

/** The ledger's database commits on its own, before the queue: see endpoints.ts. */
function describeLedger(entries: number, repeats: number): string {
  const messages = repeats === 1 ? '1 message' : `${repeats} messages`;
  const story =
    repeats === 0
      ? "No kill fell between its commit\nand the queue's; such a message comes again, and is known by its id."
      : `Kills fell between its commit\nand the queue's: ${messages} came again, and nothing was written twice.`;
  return `The ledger's database has ${count(entries)} entries. ${story}`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
