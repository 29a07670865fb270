import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Failpoint } from '../../../src/io/failpoint.ts';
import { silentLogger } from '../../../src/io/logger.ts';
import { nodeIo } from '../../../src/io/node-io.ts';
import { Header } from '../../../src/message/headers.ts';
import { openQueueManager } from '../../../src/operations/open-queue-manager.ts';
import type { BrowsedMessage } from '../../../src/queues/browsing.ts';
import { ABORT_ROW_PREFIX, TRANSACTION_PREFIX } from '../../../src/transactions/transaction-record.ts';
import type { DatabaseKind } from '../../../tools/databases/database-pair.ts';
import { browseAll } from '../../support/browse-all.ts';
import { type End, LifeProcess } from '../life-process.ts';
import type { CrashDatabases } from './databases.ts';
import { ERROR_QUEUE, INPUT_QUEUE, type LifeSettings, MESSAGE_TYPE, type Numbered, OUTPUT_QUEUE } from './settings.ts';
import { type Ending, findFaults } from './verdict.ts';

/** Messages wait, processes handle them one after the other and die, the last one brings everything to an end. */
export class TransactionsStory implements Disposable {
  readonly #databases: CrashDatabases;
  readonly #kinds: readonly DatabaseKind[];
  readonly #directory: string;
  readonly #settings: Omit<LifeSettings, 'isLast'>;
  #sent: readonly number[] = [];
  #life: LifeProcess | undefined;

  private constructor(options: StoryOptions) {
    this.#databases = options.databases;
    this.#kinds = options.kinds;
    this.#directory = join(options.directory, 'store');
    this.#settings = {
      directory: this.#directory,
      concurrency: options.concurrency,
      ...(options.kinds.includes('postgres') && { postgres: options.databases.urlOf('postgres') }),
      ...(options.kinds.includes('mariadb') && { mariadb: options.databases.urlOf('mariadb') }),
    };
  }

  /** Empty databases, a new store, and `messages` of them in the input queue. */
  static async begin(options: StoryOptions): Promise<TransactionsStory> {
    const story = new TransactionsStory(options);
    rmSync(story.#directory, { recursive: true, force: true });
    await options.databases.clear();
    await story.#fill(options.messages);
    return story;
  }

  /** A life that is to die at the failpoint; one that never comes by it is killed after a while. */
  dieAt(failpoint: Failpoint, passage = 1): Promise<End> {
    return this.#live({ POSTHORN_FAILPOINT: `${failpoint}:${passage}` }, (life) => {
      const timer = nodeIo().timers.after(LIFE_MS_MAX, () => life.kill());
      return () => timer.cancel();
    });
  }

  /** A life that is killed once it has handled so many messages; there must be as many. Tells how many it had at last. */
  async dieAfter(handled: number): Promise<End & { readonly handledCount: number }> {
    let handledCount = 0;
    const end = await this.#live({}, (life) =>
      life.onLine((line) => {
        handledCount = Math.max(handledCount, Number(/^handled (\d+)$/.exec(line)?.[1] ?? 0));
        if (handledCount >= handled) life.kill();
      }),
    );
    return { ...end, handledCount };
  }

  /** The last life, which ends by itself when everything is handled and settled. Resolves with what is wrong then. */
  async finish(): Promise<string[]> {
    this.#life = this.#start({}, true);
    const timer = nodeIo().timers.after(LAST_LIFE_MS_MAX, () => this.#life?.kill());
    const { code, signal, errorText, wasReady } = await this.#life.ended;
    timer.cancel();
    const badEnd = code === 0 ? [] : [`the last process ended with ${signal ?? code}: ${errorText.slice(0, 2_000)}`];
    return wasReady ? [...badEnd, ...findFaults(await this.#ending())] : badEnd;
  }

  async #ending(): Promise<Ending> {
    const databases = new Map();
    for (const kind of this.#kinds) databases.set(kind, await this.#databases.read(kind));
    const manager = await openQueueManager({ directory: this.#directory, network: false, logger: silentLogger });
    try {
      const numbersIn = async (queue: string): Promise<number[]> =>
        manager.hasQueue(queue) ? (await browseAll(manager, queue)).map(numberOf) : [];
      const records: string[] = [];
      for (const prefix of [TRANSACTION_PREFIX, ABORT_ROW_PREFIX]) {
        const { entries } = await manager.readState({ prefix, countMax: 100 });
        records.push(...entries.map(({ key }) => key));
      }
      return {
        sent: this.#sent,
        output: await numbersIn(OUTPUT_QUEUE),
        input: await numbersIn(INPUT_QUEUE),
        failed: await numbersIn(ERROR_QUEUE),
        databases,
        records,
      };
    } finally {
      await manager.close();
    }
  }

  [Symbol.dispose](): void {
    this.#life?.kill();
  }

  async #fill(count: number): Promise<void> {
    this.#sent = Array.from({ length: count }, (_, index) => index + 1);
    const manager = await openQueueManager({
      directory: this.#directory,
      machine: 'crash',
      network: false,
      logger: silentLogger,
    });
    for (let first = 0; first < count; first += UNIT_MESSAGES) {
      await manager.send(this.#sent.slice(first, first + UNIT_MESSAGES).map(messageOf));
    }
    await manager.close();
  }

  async #live(environment: Readonly<Record<string, string>>, watch: (life: LifeProcess) => () => void): Promise<End> {
    const life = this.#start(environment, false);
    this.#life = life;
    const stopWatching = watch(life);
    const end = await life.ended;
    stopWatching();
    return end;
  }

  #start(environment: Readonly<Record<string, string>>, isLast: boolean): LifeProcess {
    const settings: LifeSettings = { ...this.#settings, isLast };
    return new LifeProcess('transactions/life.ts', [JSON.stringify(settings)], { environment });
  }
}

export interface StoryOptions {
  readonly databases: CrashDatabases;
  readonly kinds: readonly DatabaseKind[];
  readonly directory: string;
  readonly messages: number;
  readonly concurrency: number;
}

function messageOf(number: number) {
  const id = String(number);
  const headers = {
    [Header.messageId]: id,
    [Header.messageIntent]: 'Send',
    [Header.enclosedMessageTypes]: MESSAGE_TYPE,
    [Header.contentType]: 'application/json',
  };
  return {
    destination: { queue: INPUT_QUEUE },
    headers,
    body: Buffer.from(JSON.stringify({ number } satisfies Numbered)),
  };
}

function numberOf({ body }: BrowsedMessage): number {
  return (JSON.parse(Buffer.from(body ?? []).toString()) as Numbered).number;
}

const UNIT_MESSAGES = 250;
const LIFE_MS_MAX = 10_000;
const LAST_LIFE_MS_MAX = 120_000;
