import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../tools/free-port.ts';
import { BROKEN_EVENT } from './contracts.ts';
import { Feeder } from './feeder.ts';
import { readLedger } from './ledger.ts';
import { Machine } from './machine.ts';
import { askPosthorn, runPosthorn } from './posthorn-command.ts';
import { type Account, describeAccounts, isConsistent, reconcile } from './reconciliation.ts';
import { count, type Screen } from './screen.ts';
import { loadWebhooks } from './webhooks.ts';
import { whoListens } from './who-listens.ts';

const ROUNDS = 10;
const WEBHOOKS_PER_SECOND = 300;
const ALPHA_ADDRESS = '127.0.0.10';
const BETA_ADDRESS = '127.0.0.20';
const BETA_NEW_ADDRESS = '127.0.0.21';
/** The queues come to rest within seconds; on a very slow machine the demo would rather wait than judge too early. */
const DRAIN_MS_MAX = 120_000;
const POLL_MS = 400;

/** The story of the demo, step by step. */
export class Demo {
  readonly #screen: Screen;
  readonly #root: string;
  readonly #ledgerPath: string;
  readonly #port: number;
  readonly #alpha: Machine;
  readonly #beta: Machine;
  readonly #feeder: Feeder;

  private constructor(screen: Screen, root: string, port: number) {
    this.#screen = screen;
    this.#root = root;
    this.#port = port;
    this.#ledgerPath = join(root, 'ledger.db');
    const machine = (name: string): Machine =>
      new Machine({
        name,
        root,
        port,
        endpoints: `${name}-endpoints.ts`,
        environment: { POSTHORN_DEMO_LEDGER: this.#ledgerPath },
      });
    this.#alpha = machine('alpha');
    this.#beta = machine('beta');
    this.#feeder = new Feeder(this.#alpha.directory);
  }

  static async create(screen: Screen, root: string): Promise<Demo> {
    return new Demo(screen, root, await freePort('0.0.0.0'));
  }

  /** Resolves with true when no message was lost and none handled twice. */
  async run(): Promise<boolean> {
    this.#introduce();
    await this.#startMachines();
    await this.#feedThroughTrouble();
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
    await Promise.all([this.#alpha.end(), this.#beta.end()]);
  }

  #introduce(): void {
    this.#screen.line('Posthorn: what becomes of messages when machines die and change their addresses');
    this.#screen.line('');
    this.#screen.block(
      [
        'machine alpha    webhooks ──▶ intake',
        'machine beta       intake ──▶ ledger   writes each into an SQLite ledger',
        '                          └─▶ notify   sends mail; fails now and then,',
        `                                       and always for '${BROKEN_EVENT}' until repaired`,
      ].join('\n'),
    );
  }

  async #startMachines(): Promise<void> {
    this.#screen.step("Start two machines, each 'posthorn host' on a directory of its own.");
    this.#alpha.listenOn(ALPHA_ADDRESS);
    this.#beta.listenOn(BETA_ADDRESS);
    this.#tellNames(BETA_ADDRESS);
    await Promise.all([this.#alpha.start(), this.#beta.start()]);
    this.#screen.event(`alpha runs in process ${this.#alpha.pid} on ${ALPHA_ADDRESS}`);
    this.#screen.event(`beta runs in process ${this.#beta.pid} on ${BETA_ADDRESS} and nowhere else`);
  }

  /** The file that plays the name server. */
  #tellNames(betaAddress: string): void {
    writeFileSync(join(this.#root, 'names'), `${ALPHA_ADDRESS} alpha\n${betaAddress} beta\n`);
  }

  async #feedThroughTrouble(): Promise<void> {
    const webhooks = loadWebhooks(ROUNDS);
    this.#screen.step(
      `Send ${count(webhooks.length)} webhooks to alpha from a third process; make trouble meanwhile.`,
      'Accepted means on the disk. SIGKILL leaves a process no time to react.',
    );
    let isFed = false;
    const feeding = this.#feeder.feed(webhooks, WEBHOOKS_PER_SECOND).finally(() => {
      isFed = true;
    });
    // A failure is heard where it is awaited below; until then it must not end the process.
    feeding.catch(() => undefined);
    const troubles = [
      () => this.#killAndStart(this.#beta),
      () => this.#killAndStart(this.#alpha),
      () => this.#moveBeta(),
      () => this.#killAndStart(this.#alpha),
      () => this.#killAndStart(this.#beta),
    ];
    for (let made = 0; !isFed; ) {
      const nextAt = ((made + 0.5) / troubles.length) * webhooks.length;
      if (made < troubles.length && this.#feeder.accepted.size >= nextAt) await troubles[made++]?.();
      else await pause(made < troubles.length ? 40 : POLL_MS);
      this.#screen.progress(`${count(this.#feeder.accepted.size)} of ${count(webhooks.length)} accepted`);
    }
    await feeding;
    this.#screen.event(`${count(this.#feeder.accepted.size)} webhooks accepted`);
  }

  async #killAndStart(machine: Machine): Promise<void> {
    const pid = machine.pid;
    // Somewhere in the middle of things.
    await pause(Math.random() * 300);
    await machine.kill();
    const killedMs = performance.now();
    await machine.start();
    const downMs = Math.round(performance.now() - killedMs);
    this.#screen.event(`kill: ${machine.name}'s process ${pid} is dead, ${machine.pid} took over after ${downMs} ms`);
  }

  /** The incident that this part of Posthorn was built for. Alpha runs on all the time, and nobody tells it anything. */
  async #moveBeta(): Promise<void> {
    this.#screen.event(`beta moves: it is killed, and comes back on ${BETA_NEW_ADDRESS} alone`);
    await this.#beta.kill();
    await this.#untilOutgoing('alpha sees that beta is gone', ({ state }) => state === 'WAITING');
    this.#beta.listenOn(BETA_NEW_ADDRESS);
    this.#tellNames(BETA_NEW_ADDRESS);
    await this.#beta.start();
    for (const [address, expected] of [
      [BETA_ADDRESS, 'refuses'],
      [BETA_NEW_ADDRESS, 'answers'],
    ] as const) {
      const found = await whoListens(address, this.#port);
      this.#screen.event(`${address} ${found}`);
      if (found !== expected) throw new Error(`${address} was to be an address that ${expected}, and it ${found}`);
    }
    await this.#untilOutgoing(
      'traffic flows to the new address',
      ({ state, nextHop }) => state === 'CONNECTED' && nextHop.address === BETA_NEW_ADDRESS,
    );
  }

  /** Shows alpha's outgoing queues as an operator sees them, once they are as expected. */
  async #untilOutgoing(what: string, isSo: (status: OutgoingLine) => boolean): Promise<void> {
    const startedMs = performance.now();
    while (!(await askPosthorn<OutgoingLine>(this.#alpha.directory, 'outgoing').then((all) => all.every(isSo)))) {
      if (performance.now() - startedMs > DRAIN_MS_MAX) throw new Error(`not so: ${what}`);
      await pause(POLL_MS / 4);
    }
    this.#screen.event(`${what}: 'posthorn outgoing' on alpha`);
    this.#screen.block(await runPosthorn(this.#alpha.directory, 'outgoing'));
  }

  async #drain(): Promise<void> {
    this.#screen.step('Wait until all is done; what fails is tried again, at once and after 1.5 s.');
    await this.#untilDrained();
  }

  async #untilDrained(): Promise<void> {
    const startedMs = performance.now();
    for (;;) {
      const alpha = await askPosthorn<QueueLine>(this.#alpha.directory, 'queues');
      const outgoing = await askPosthorn<OutgoingLine>(this.#alpha.directory, 'outgoing');
      const beta = await askPosthorn<QueueLine>(this.#beta.directory, 'queues');
      const countOf = (...names: string[]): number =>
        sum(
          [...alpha, ...beta]
            .filter(({ queue }) => names.includes(queue))
            .map(({ messages, delayed }) => messages + delayed),
        );
      const onTheWay = sum(outgoing.map(({ messages }) => messages));
      const waiting = onTheWay + countOf('intake', 'ledger', 'notify');
      const [done, failed] = [countOf('done'), countOf('error')];
      const text = `${count(done)} done, ${count(waiting)} waiting (${count(onTheWay)} of them for beta), ${count(failed)} failed`;
      if (waiting === 0) {
        this.#screen.event(text);
        return;
      }
      this.#screen.progress(text);
      if (performance.now() - startedMs > DRAIN_MS_MAX) throw new Error(`the queues do not come to rest: ${text}`);
      await pause(POLL_MS);
    }
  }

  async #showErrors(): Promise<void> {
    this.#screen.step("See what failed on beta, and why: 'posthorn errors group'.");
    this.#screen.block(await runPosthorn(this.#beta.directory, 'errors', 'group'));
  }

  async #stopAndCount(): Promise<readonly Account[]> {
    this.#screen.step('Stop both machines with SIGTERM, and look for every webhook by its id.');
    await Promise.all([this.#alpha.stop(), this.#beta.stop()]);
    const accounts = await reconcile([this.#alpha.directory, this.#beta.directory], this.#feeder.accepted);
    this.#screen.block(describeAccounts(accounts));
    return accounts;
  }

  async #repair(): Promise<void> {
    this.#screen.step('Start beta with a version of its endpoints without the fault, and alpha as it was.');
    await Promise.all([this.#alpha.start(), this.#beta.start({ POSTHORN_DEMO_REPAIRED: 'yes' })]);
    this.#screen.event(`the repaired beta runs in process ${this.#beta.pid}`);
  }

  async #returnToSource(): Promise<void> {
    this.#screen.step("Give the failed messages back: 'posthorn return-to-source error all'.");
    this.#screen.block(await runPosthorn(this.#beta.directory, 'return-to-source', 'error', 'all'));
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
    const isRight = isConsistentAllAlong && isFinished && isLedgerRight && unknown.size === 0;
    this.#screen.line('');
    const seconds = Math.round(this.#screen.elapsedMs / 1000);
    const kills = this.#alpha.kills + this.#beta.kills;
    this.#screen.line(
      isRight
        ? `Nothing was lost and nothing was handled twice: ${kills} kills, a changed address, ${seconds} seconds.`
        : `This is not right: see the numbers above (${unknown.size} sends without an answer, ${kills} kills).`,
    );
    return isRight;
  }
}

interface QueueLine {
  readonly queue: string;
  readonly messages: number;
  readonly delayed: number;
}

interface OutgoingLine {
  readonly queue: string;
  readonly state: string;
  readonly messages: number;
  readonly nextHop: { readonly address?: string };
}

/** The ledger's database commits on its own, before the queue: see beta-endpoints.ts. */
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

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
