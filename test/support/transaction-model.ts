import assert from 'node:assert/strict';
import { isPosthornError } from '../../src/message/posthorn-error.ts';
import { StoreSyncFailed } from '../../src/store/errors.ts';
import type { Unit } from '../../src/store/store.ts';
import { SimulatedRandom } from '../../src/testing/simulated-random.ts';
import type { Delivery } from '../../src/transport/transport.ts';
import { CoordinatorStory, message } from './coordinator-story.ts';
import { FakeDatabase } from './fake-database.ts';
import type { Fault, Life, RequestName } from './fake-server.ts';

/**
 * One seeded run: messages are handled over zero to three databases while requests are lost, refused and held back, databases go
 * down and restart, and the process dies at random requests and units. Then everything heals, recovery ends its work, what
 * was held back arrives, and the queues and every database are compared message by message.
 */
export async function runModel(seed: number, options: ModelOptions = {}): Promise<ModelReport> {
  const model = new Model(seed);
  await model.misbehave(options.stepCount ?? 40);
  await model.heal();
  options.beforeCheck?.(model.databases);
  await model.check();
  await model.end();
  return model.report;
}

export interface ModelOptions {
  readonly stepCount?: number;
  /** For proof that the check can fail. */
  readonly beforeCheck?: (databases: readonly FakeDatabase[]) => void;
}

export interface ModelReport {
  deaths: number;
  attempts: number;
  unknowns: number;
}

interface Plan {
  readonly text: string;
  readonly writes: readonly number[];
  readonly reads: readonly number[];
  readonly sends: readonly string[];
  failuresLeft: number;
}

class Model {
  readonly databases: readonly FakeDatabase[];
  readonly report: ModelReport = { deaths: 0, attempts: 0, unknowns: 0 };
  readonly #random: SimulatedRandom;
  readonly #story: CoordinatorStory;
  readonly #plans = new Map<string, Plan>();
  /** Requests and units until the process dies; undefined: it lives. */
  #stepsToDeath: number | undefined;
  #running = 0;
  /** The life that came to its end of opening. */
  #opened: Life | undefined;
  /** So many units of transactions the store will not write. */
  #unitsRefused = 0;

  constructor(seed: number) {
    this.#random = new SimulatedRandom(seed);
    const count = this.#random.integer(4);
    this.databases = Array.from(
      { length: count },
      (_, index) => new FakeDatabase(`db${index}`, this.#random.integer(2) === 0 ? 'postgres' : 'mysql'),
    );
    for (const database of this.databases) database.onRequest = () => this.#passed();
    this.#story = CoordinatorStory.off(this.databases, {
      seed,
      transactionsOfAnEpoch: 1 + this.#random.integer(4),
      protocol: this.#random.integer(4) === 0 ? 'twoPhase' : 'auto',
      watcher: {
        opened: async () => undefined,
        commit: (unit, commit) => {
          this.#passed();
          if (this.#unitsRefused > 0 && isOfTransaction(unit)) {
            this.#unitsRefused--;
            return Promise.reject(new StoreSyncFailed('EIO'));
          }
          const answer = commit();
          this.#passed();
          return answer;
        },
      },
    });
  }

  async misbehave(stepCount: number): Promise<void> {
    await this.#live();
    const texts = Array.from({ length: MESSAGES }, (_, index) => `m${index}`);
    for (const text of texts) this.#plans.set(text, this.#makePlan(text));
    await this.#story.put(...texts);
    for (let step = 0; step < stepCount; step++) await this.#step();
  }

  /** Nothing fails any more; everything that waits is handled; everything late arrives. */
  async heal(): Promise<void> {
    this.#stepsToDeath = undefined;
    this.#unitsRefused = 0;
    for (const database of this.databases) {
      database.forgetFaults();
      database.isDown = false;
      if (this.#random.integer(2) === 0) database.letGo();
    }
    for (let round = 0; round < ROUNDS_MAX; round++) {
      await this.#live();
      await this.#story.machine.advance(30_000);
      while (await this.#tryHandle()) await this.#story.machine.settle();
      if (this.#running === 0 && (await this.#story.waiting('in')).length === 0) break;
    }
    for (const database of this.databases) database.letGo();
    await this.#story.machine.advance(120_000);
  }

  async check(): Promise<void> {
    const story = this.#story;
    assert.deepEqual(await story.waiting('in'), [], 'every message was handled');
    const sent = [...this.#plans.values()].flatMap(({ sends }) => sends).sort();
    assert.deepEqual((await story.waiting('out')).sort(), sent, 'everything was sent, and once');
    for (const [index, database] of this.databases.entries()) {
      const written = [...this.#plans.values()].filter(({ writes }) => writes.includes(index)).map(({ text }) => text);
      assert.deepEqual([...database.rows].sort(), written.sort(), `the rows of ${database.name}, each once`);
      assert.deepEqual([...database.prepared.keys()], [], `nothing is prepared in ${database.name}`);
      const left = [...database.markers].filter(([id]) => !database.lateAborts.has(id));
      assert.deepEqual(left, [], `no marker row is left in ${database.name}`);
      assert.equal(database.sessions.size, 0, `no session is left in ${database.name}`);
    }
    assert.deepEqual(await story.state('transaction/'), [], 'nothing is staged or decided');
    assert.deepEqual(await story.state('abort-row/'), [], 'no abort row is noted');
    assert.deepEqual(await story.view(), [], 'operators see nothing unsettled');
    assert.deepEqual(story.failures, [], 'nothing failed inside');
  }

  async end(): Promise<void> {
    await this.#story[Symbol.asyncDispose]();
  }

  async #step(): Promise<void> {
    await this.#live();
    const database = this.databases[this.#random.integer(Math.max(1, this.databases.length))];
    switch (this.#random.integer(12)) {
      case 0:
      case 1:
      case 2:
        await this.#tryHandle();
        await this.#tryHandle();
        return;
      case 3:
        this.#stepsToDeath ??= 1 + this.#random.integer(20);
        return;
      case 4:
        if (database !== undefined && this.#random.integer(3) > 0) database.isDown = !database.isDown;
        return;
      case 5:
      case 6:
        database?.fail(this.#pick(FAILING), this.#pick(FAULTS));
        return;
      case 7:
        database?.letGo();
        return;
      case 8:
        if (this.#random.integer(3) === 0) database?.restart();
        return;
      case 9:
        // Nobody answers for long: what is in doubt is left to recovery.
        database?.fail('commitWithMarker', this.#pick(FAULTS));
        for (let count = 0; count < 60; count++) database?.fail('fence', 'lostBefore');
        return;
      case 10:
        this.#unitsRefused = 1 + this.#random.integer(2);
        return;
      default:
        await this.#orDeath(this.#story.machine.advance(this.#random.integer(15_000)));
    }
  }

  /** Opens the machine's next process until one is there; it may die while it opens. */
  async #live(): Promise<void> {
    while (this.#opened === undefined || this.#story.life.isDead) {
      this.#running = 0;
      const opening = this.#story.open();
      await Promise.race([opening, this.#story.life.whenDead]);
      this.#opened = this.#story.life.isDead ? undefined : this.#story.life;
    }
  }

  async #tryHandle(): Promise<boolean> {
    if (this.#story.life.isDead) return false;
    const delivery = await this.#orDeath(this.#story.receive());
    if (delivery === undefined || this.#story.life.isDead) return false;
    this.#running++;
    this.report.attempts++;
    const { life } = this.#story;
    void this.#handle(delivery)
      .catch((error: unknown) => this.#story.failures.push(error))
      .finally(() => {
        if (life === this.#story.life) this.#running--;
      });
    return true;
  }

  async #handle(delivery: Delivery): Promise<void> {
    const story = this.#story;
    const plan = this.#plans.get(Buffer.from(delivery.body).toString());
    assert.ok(plan !== undefined);
    const transaction = story.begin({ sendsVisible: this.#random.integer(4) === 0 ? 'atDecision' : 'afterBranches' });
    delivery.complete(transaction.work);
    try {
      for (const index of plan.writes) await (await story.enlist(transaction, index)).insert(plan.text);
      for (const index of plan.reads) await (await story.enlist(transaction, index)).read();
      await story.manager.send(
        plan.sends.map((text) => message('out', text)),
        transaction.work,
      );
      if (plan.failuresLeft-- > 0) throw new HandlerFailed();
    } catch {
      // Any failure of a handler means the same: all of it is taken back.
      await transaction.rollback();
      delivery.release();
      return;
    }
    try {
      await transaction.commit();
      return;
    } catch (error) {
      if (isPosthornError(error, 'INVARIANT_BROKEN')) throw error;
      if (isPosthornError(error, 'OUTCOME_UNKNOWN')) this.report.unknowns++;
      // Not known yet is not failed: the message stays locked until it is.
      if (isPosthornError(error, 'OUTCOME_UNKNOWN') && (await transaction.whenSettled) === 'committed') return;
    }
    delivery.release();
  }

  #makePlan(text: string): Plan {
    const used = this.databases.map((_, index) => index).filter(() => this.#random.integer(4) > 0);
    const writes = used.filter(() => this.#random.integer(4) > 0);
    return {
      text,
      writes,
      reads: used.filter((index) => !writes.includes(index)),
      sends: Array.from({ length: this.#random.integer(3) }, (_, index) => `${text}-${index}`),
      failuresLeft: this.#random.integer(5) === 0 ? 1 : 0,
    };
  }

  #passed(): void {
    if (this.#stepsToDeath === undefined || --this.#stepsToDeath > 0) return;
    this.#stepsToDeath = undefined;
    this.report.deaths++;
    this.#story.kill({ closesHeld: this.#random.integer(2) === 0 });
  }

  async #orDeath<Result>(promise: Promise<Result>): Promise<Result | undefined> {
    return Promise.race([promise, this.#story.life.whenDead.then(() => undefined)]);
  }

  #pick<Value>(values: readonly Value[]): Value {
    const value = values[this.#random.integer(values.length)];
    assert.ok(value !== undefined);
    return value;
  }
}

function isOfTransaction({ operations }: Unit): boolean {
  return operations.some((operation) => 'key' in operation && operation.key.startsWith('transaction/'));
}

class HandlerFailed extends Error {}

const MESSAGES = 5;
const ROUNDS_MAX = 20;
const FAULTS: readonly Fault[] = ['lostBefore', 'lostAfter', 'refused', 'heldBack'];
const FAILING: readonly RequestName[] = [
  'begin',
  'statement',
  'end',
  'commitReadOnly',
  'commitWithMarker',
  'commitWithMarker',
  'commitWithMarker',
  'prepare',
  'prepare',
  'finish',
  'finish',
  'rollback',
  'scan',
  'recoveryFinish',
  'fence',
  'endSession',
  'deleteMarkers',
  'readMarkers',
  'raise',
  'readWitness',
];
