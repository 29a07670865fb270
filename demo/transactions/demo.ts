import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Endpoint, QueueManager, route } from 'posthorn';
import { freePort } from '../../tools/free-port.ts';
import { Machine } from '../machine.ts';
import { askPosthorn, runPosthorn } from '../posthorn-command.ts';
import type { Screen } from '../screen.ts';
import { ARTICLES, PlaceOrder } from './contracts.ts';
import { DemoDatabases } from './databases.ts';
import { describeBooks, isBalanced } from './reconciliation.ts';

const ADDRESSES = { shop: '127.0.0.30', warehouse: '127.0.0.40' } as const;
const ORDERS_PER_STEP = 24;
const SETTLING_MS_MAX = 60_000;
const POLL_MS = 200;
/** Endpoint, transactions, databases. */
const DESCRIBED_LINES = 4;

/** Where the shop dies, step by step of two-phase commit; its handler works in two databases. */
const SHOP_STEPS: readonly Step[] = [
  { failpoint: 'transaction.before-end', text: 'the handler is done, nothing is prepared' },
  { failpoint: 'transaction.branch-prepared', text: 'one database has prepared, the other has not' },
  {
    failpoint: 'transaction.prepared-before-decision',
    text: 'both have prepared, nothing is decided',
    isRestarting: true,
  },
  { failpoint: 'transaction.decided-before-commit', text: 'decided, and neither database knows', isRestarting: true },
  { failpoint: 'transaction.branch-committed', text: 'one database has committed, the other has not' },
  { failpoint: 'transaction.committed-before-release', text: 'both have committed, the message is still held' },
];

/** Where the warehouse dies, step by step of the marker row; its handler works in one database. */
const WAREHOUSE_STEPS: readonly Step[] = [
  { failpoint: 'transaction.staged-before-commit', text: 'staged, the database knows nothing' },
  { failpoint: 'transaction.committed-before-apply', text: 'the database has committed, the queue does not know' },
  { failpoint: 'transaction.applied', text: 'all is done but the tidying up' },
];

interface Step {
  readonly failpoint: string;
  readonly text: string;
  /** Both database servers are restarted while the machine is dead. */
  readonly isRestarting?: boolean;
}

/** The story of the demo of transactions, step by step. */
export class TransactionsDemo {
  readonly #screen: Screen;
  readonly #root: string;
  readonly #databases: DemoDatabases;
  readonly #shop: Machine;
  readonly #warehouse: Machine;
  readonly #accepted = new Set<string>();
  #restarts = 0;

  private constructor(screen: Screen, root: string, databases: DemoDatabases, port: number) {
    this.#screen = screen;
    this.#root = root;
    this.#databases = databases;
    const machine = (name: string): Machine =>
      new Machine({
        name,
        root,
        port,
        endpoints: `transactions/${name}-endpoints.ts`,
        environment: {},
      });
    this.#shop = machine('shop');
    this.#warehouse = machine('warehouse');
  }

  static async create(screen: Screen, root: string): Promise<TransactionsDemo> {
    screen.line('Posthorn: one transaction over queues and databases, whatever dies in between');
    screen.line('');
    screen.block(
      [
        'machine shop         PlaceOrder ──▶ orders     an order in PostgreSQL, and',
        '                                              a pick and a piece less in MariaDB,',
        'machine warehouse     ShipOrder ──▶ shipping   a shipment in PostgreSQL',
        '',
        'The handlers say nothing of transactions.',
      ].join('\n'),
    );
    screen.step('Start a PostgreSQL and a MariaDB server of our own.');
    const databases = await DemoDatabases.start(root);
    // For every 'posthorn' that this process starts.
    Object.assign(process.env, databases.environment);
    return new TransactionsDemo(screen, root, databases, await freePort('0.0.0.0'));
  }

  /** Resolves with true when all books agree. */
  async run(): Promise<boolean> {
    await this.#startMachines();
    await this.#describe();
    await this.#dieThrough(this.#shop, SHOP_STEPS, 'Kill the shop at every step of two-phase commit.');
    await this.#dieThrough(this.#warehouse, WAREHOUSE_STEPS, 'Kill the warehouse at every step of the marker row.');
    await this.#untilSettled();
    return this.#judge();
  }

  /** Leaves no process behind. */
  async end(): Promise<void> {
    await Promise.all([this.#shop.end(), this.#warehouse.end()]);
    await this.#databases.stop();
  }

  async #startMachines(): Promise<void> {
    this.#screen.step("Start two machines, each 'posthorn host' on a directory of its own.");
    const names = Object.entries(ADDRESSES).map(([name, address]) => `${address} ${name}\n`);
    writeFileSync(join(this.#root, 'names'), names.join(''));
    this.#shop.listenOn(ADDRESSES.shop);
    this.#warehouse.listenOn(ADDRESSES.warehouse);
    await Promise.all([this.#shop.start(), this.#warehouse.start()]);
    await this.#placeOrders(ORDERS_PER_STEP);
    await this.#untilSettled();
    this.#screen.event(`${this.#accepted.size} orders went through without trouble`);
  }

  async #describe(): Promise<void> {
    this.#screen.step("See which protocol each endpoint uses, and why: 'posthorn describe'.");
    for (const machine of [this.#shop, this.#warehouse]) {
      const described = await runPosthorn(machine.directory, 'describe', machine.endpoints);
      this.#screen.block(described.split('\n').slice(0, DESCRIBED_LINES).join('\n'));
    }
  }

  async #dieThrough(machine: Machine, steps: readonly Step[], what: string): Promise<void> {
    this.#screen.step(
      what,
      `Each time ${ORDERS_PER_STEP} orders come in; the process kills itself there with SIGKILL.`,
    );
    for (const { failpoint, text, isRestarting } of steps) {
      await machine.stop();
      // A few transactions are under way when it dies.
      await machine.start({ POSTHORN_FAILPOINT: `${failpoint}:5` });
      // A send whose machine dies is repeated to the one that comes after it.
      const placing = this.#placeOrders(ORDERS_PER_STEP);
      await machine.untilDead();
      const prepared = await this.#databases.countPrepared();
      this.#screen.event(`${machine.name} is dead: ${text}`);
      if (prepared.postgres + prepared.mariadb > 0) {
        this.#screen.event(
          `  prepared, with their locks: PostgreSQL ${prepared.postgres}, MariaDB ${prepared.mariadb}`,
        );
      }
      if (isRestarting === true) await this.#restartDatabases();
      await machine.start();
      await placing;
      await this.#untilSettled();
      this.#screen.event(`  settled: ${this.#accepted.size} orders so far`);
    }
  }

  async #restartDatabases(): Promise<void> {
    await this.#databases.restart();
    this.#restarts++;
    const { postgres, mariadb } = await this.#databases.countPrepared();
    this.#screen.event(`  both servers were restarted; still prepared: ${postgres} and ${mariadb}`);
  }

  /** From this process, over the shop's control socket. */
  async #placeOrders(count: number): Promise<void> {
    const customer = new Endpoint('customer', {
      sendOnly: true,
      directory: this.#shop.directory,
      routes: [route(PlaceOrder, 'orders')],
    });
    await customer.start();
    const firstNumber = this.#accepted.size + 1;
    const place = async (index: number): Promise<string> => {
      const orderId = `order-${firstNumber + index}`;
      const article = ARTICLES[index % ARTICLES.length] ?? ARTICLES[0];
      await customer.send(PlaceOrder, { orderId, article }, { messageId: orderId });
      return orderId;
    };
    const placed = await Promise.all(Array.from({ length: count }, (_, index) => place(index)));
    await customer.stop();
    for (const orderId of placed) this.#accepted.add(orderId);
  }

  async #untilSettled(): Promise<void> {
    const startedMs = performance.now();
    for (;;) {
      const left = await this.#unfinished();
      if (left === 0) return;
      this.#screen.progress(`${left} still on their way`);
      if (performance.now() - startedMs > SETTLING_MS_MAX)
        throw new Error(`${left} messages or transactions stay unsettled`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Messages in queues, and transactions that are not settled, of both machines. */
  async #unfinished(): Promise<number> {
    let count = 0;
    for (const { directory } of [this.#shop, this.#warehouse]) {
      for (const verb of ['queues', 'outgoing']) {
        const lines = await askPosthorn<{ messages: number; delayed?: number }>(directory, verb);
        for (const { messages, delayed = 0 } of lines) count += messages + delayed;
      }
      const lines = await askPosthorn<{ state?: string; branches?: unknown }>(directory, 'transactions', 'list');
      count += lines.filter(({ branches }) => branches !== undefined).length;
    }
    return count;
  }

  async #judge(): Promise<boolean> {
    this.#screen.step('Stop both machines, and compare the books of both databases and the queues.');
    await Promise.all([this.#shop.stop(), this.#warehouse.stop()]);
    const books = {
      accepted: this.#accepted,
      databases: await this.#databases.read(),
      prepared: await this.#databases.countPrepared(),
      messagesLeft: (await countMessages(this.#shop.directory)) + (await countMessages(this.#warehouse.directory)),
    };
    this.#screen.block(describeBooks(books));
    const isRight = isBalanced(books);
    const kills = SHOP_STEPS.length + WAREHOUSE_STEPS.length;
    const seconds = Math.round(this.#screen.elapsedMs / 1000);
    this.#screen.line('');
    this.#screen.line(
      isRight
        ? `Every order is everywhere once: ${kills} kills, ${this.#restarts} restarts of both databases, ${seconds} seconds.`
        : 'This is not right: see the numbers above.',
    );
    return isRight;
  }
}

async function countMessages(directory: string): Promise<number> {
  await using manager = await QueueManager.open({ directory, network: false });
  const all = [...manager.status(), ...manager.outgoingStatus()];
  return all.reduce((sum, { messages, delayed }) => sum + messages + delayed, 0);
}
