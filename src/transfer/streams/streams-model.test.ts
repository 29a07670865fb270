import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  messagesOf,
  type SeenMessage,
  type SendingMachine,
  StreamStory,
  textsOf,
} from '../../../test/support/stream-story.ts';

/*
 * Both ends of a stream, on real queue managers and stores, under everything that may happen between two machines: links that
 * break at any frame, answers that get lost, processes that die, and (in the second test) stores that are replaced, put
 * back from a backup, or copied. At the end everything heals, and every message must be accounted for.
 */

type Action =
  | { readonly kind: 'send'; readonly count: number; readonly timeToReachQueueMs: number | undefined }
  | { readonly kind: 'data' | 'answers'; readonly count: number }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'consume'; readonly count: number }
  | { readonly kind: Plain };
type Plain =
  | 'turn'
  | 'settle'
  | 'connect'
  | 'cut'
  | 'loseAnswers'
  | 'repeatData'
  | 'killSender'
  | 'killReceiver'
  | 'stopSender'
  | 'hold'
  | 'release'
  | 'deny'
  | 'allow'
  | Incident;
type Incident =
  | 'backUpSender'
  | 'restoreSender'
  | 'backUpReceiver'
  | 'restoreReceiver'
  | 'replaceReceiver'
  | 'clone'
  | 'connectClone';

const few = fc.integer({ min: 1, max: 4 });
const work: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('send'),
      count: few,
      timeToReachQueueMs: fc.option(fc.constantFrom(1, 50, 5_000), { nil: undefined, freq: 3 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('data'), count: few }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('answers'), count: few }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance'), ms: fc.constantFrom(10, 100, 6_000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('consume'), count: few }) },
  { weight: 6, arbitrary: plain('turn') },
  { weight: 3, arbitrary: plain('settle') },
  { weight: 4, arbitrary: plain('connect') },
  { weight: 1, arbitrary: plain('cut', 'loseAnswers', 'repeatData', 'stopSender', 'hold', 'release', 'deny', 'allow') },
  { weight: 1, arbitrary: plain('killSender', 'killReceiver') },
);
const incident: fc.Arbitrary<Action> = plain(
  'backUpSender',
  'restoreSender',
  'backUpReceiver',
  'restoreReceiver',
  'replaceReceiver',
  'clone',
  'connectClone',
);

function plain(...kinds: readonly Plain[]): fc.Arbitrary<Action> {
  return fc.constantFrom(...kinds.map((kind) => ({ kind })));
}

const RUNS = Number(process.env.STREAM_RUNS ?? 150);

test('whatever happens to links and processes, every message arrives once and in order, or is in the dead-letter queue', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(work, { maxLength: 60, size: 'max' }),
      fc.nat(),
      fc.boolean(),
      async (actions, seed, isTight) => {
        const run = await ModelRun.begin(seed, isTight);
        for (const action of actions) await run.act(action);
        await run.heal();
        await run.checkStrictly();
      },
    ),
    { numRuns: RUNS },
  );
});

test('whatever happens to the stores, nothing is lost silently, and what arrives twice is marked', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof({ weight: 6, arbitrary: work }, { weight: 1, arbitrary: incident }), {
        maxLength: 60,
        size: 'max',
      }),
      fc.nat(),
      fc.boolean(),
      async (actions, seed, isTight) => {
        const run = await ModelRun.begin(seed, isTight);
        for (const action of actions) await run.act(action);
        await run.heal();
        await run.checkAfterIncidents();
      },
    ),
    { numRuns: RUNS },
  );
});

class ModelRun {
  readonly #story: StreamStory;
  readonly #isTight: boolean;
  #sentCount = 0;
  #isDenied = false;
  /** Accepted, by the sender that runs now or one before it. */
  readonly #accepted = new Set<string>();
  /** Gone with a store: nobody can ask for them any more. */
  readonly #lost = new Set<string>();
  /** Of alpha and its clones, in stores that are gone too. */
  readonly #deadLetters = new Set<string>();
  /** What a receiver has taken out of the queue, in order, in the life of the store that is there now. */
  #consumed: SeenMessage[] = [];
  #senderBackup: { readonly content: Uint8Array } | undefined;
  #receiverBackup: { readonly content: Uint8Array; readonly consumed: readonly SeenMessage[] } | undefined;

  private constructor(story: StreamStory, isTight: boolean) {
    this.#story = story;
    this.#isTight = isTight;
  }

  static async begin(seed: number, isTight: boolean): Promise<ModelRun> {
    const story = new StreamStory({ seed });
    const run = new ModelRun(story, isTight);
    await story.alpha.start();
    await run.#startReceiver();
    return run;
  }

  async act(action: Action): Promise<void> {
    const { alpha } = this.#story;
    switch (action.kind) {
      case 'send':
        return this.#send(alpha, action.count, action.timeToReachQueueMs);
      case 'data':
      case 'answers':
        for (let left = action.count; left > 0; left--) this.#latestLinks((link) => link.deliver(action.kind));
        return;
      case 'advance':
        await this.#story.advance(action.ms);
        return;
      case 'consume':
        return this.#consume(action.count);
      default:
        return this.#actPlainly(action.kind);
    }
  }

  async #actPlainly(kind: Plain): Promise<void> {
    const story = this.#story;
    switch (kind) {
      case 'turn':
        return new Promise((resolve) => setImmediate(resolve));
      case 'settle':
        return story.settle();
      case 'connect':
        story.connect();
        return;
      case 'cut':
        for (const link of story.links) link.cut();
        return;
      case 'loseAnswers':
        this.#latestLinks((link) => {
          link.tamper = (frame) => (frame.type === 'acked' || frame.type === 'attached' ? [] : [frame]);
        });
        return;
      case 'repeatData':
        this.#latestLinks((link) => {
          link.tamper = (frame) => (frame.type === 'data' ? [frame, frame] : [frame]);
        });
        return;
      case 'killSender':
        story.alpha.crash();
        return story.alpha.start();
      case 'killReceiver':
        story.beta.crash();
        return this.#startReceiver();
      case 'stopSender':
        await Promise.all([story.alpha.stop(), story.settle()]);
        return story.alpha.start();
      case 'hold':
        for (const stream of story.alpha.streams.values()) await stream.hold('a test');
        return;
      case 'release':
        for (const stream of story.alpha.streams.values()) await stream.release();
        return;
      case 'deny':
      case 'allow':
        this.#isDenied = kind === 'deny';
        return this.#declareQueue();
      default:
        return this.#strike(kind);
    }
  }

  async #strike(kind: Incident): Promise<void> {
    const { alpha, beta, clones } = this.#story;
    switch (kind) {
      case 'backUpSender':
        this.#senderBackup = { content: alpha.machine.backUp() };
        return;
      case 'restoreSender':
        if (this.#senderBackup === undefined) return;
        await this.#loseSender(alpha);
        alpha.crash();
        alpha.machine.restore(this.#senderBackup.content);
        return alpha.start();
      case 'backUpReceiver':
        this.#receiverBackup = { content: beta.machine.backUp(), consumed: [...this.#consumed] };
        return;
      case 'restoreReceiver': {
        const backup = this.#receiverBackup;
        if (backup === undefined) return;
        await this.#loseReceiver();
        beta.machine.restore(backup.content);
        this.#consumed = [...backup.consumed];
        return this.#startReceiver();
      }
      case 'replaceReceiver':
        await this.#loseReceiver();
        beta.machine.replaceDisk();
        this.#consumed = [];
        return this.#startReceiver();
      case 'clone': {
        if (clones.length > 0) return;
        const clone = this.#story.cloneOfAlpha();
        await clone.start();
        return this.#send(clone, 2, undefined);
      }
      case 'connectClone':
        for (const clone of clones) this.#story.connect(clone);
        return;
      default:
        kind satisfies never;
    }
  }

  /** Everything reachable again, without faults, until nothing is left to send. */
  async heal(): Promise<void> {
    const { alpha, clones, links } = this.#story;
    for (const link of links) link.cut();
    for (const sender of [alpha, ...clones]) {
      for (const stream of sender.streams.values()) await stream.release();
      for (let round = 0; (await textsOf(sender.manager, 'billing@beta')).length > 0; round++) {
        assert.ok(round < 60, `messages are stuck: ${JSON.stringify(sender.streams.get('billing@beta')?.view)}`);
        if (round % 10 === 0) this.#story.connect(sender);
        await this.#story.advance(1_000);
        await this.#consume(100);
      }
    }
  }

  async checkStrictly(): Promise<void> {
    const arrived = await this.#arrived();
    const texts = arrived.map(({ text }) => text);
    assert.equal(new Set(texts).size, texts.length, `arrived twice: ${texts}`);
    assert.deepEqual(texts, [...texts].sort(byNumber), 'in order');
    await this.#noteDeadLetters(this.#story.alpha);
    for (const text of texts)
      assert.ok(!this.#deadLetters.has(text), `${text} arrived and is in the dead-letter queue`);
    const all = [...texts, ...this.#deadLetters].sort(byNumber);
    assert.deepEqual(all, [...this.#accepted].sort(byNumber));
    assert.ok(arrived.every(({ isPossibleDuplicate }) => !isPossibleDuplicate));
    assert.deepEqual(this.#story.alpha.events, []);
  }

  async checkAfterIncidents(): Promise<void> {
    const arrived = await this.#arrived();
    const seen = new Set<string>();
    for (const { text, isPossibleDuplicate } of arrived) {
      assert.ok(!seen.has(text) || isPossibleDuplicate, `${text} arrived twice and is not marked`);
      seen.add(text);
    }
    for (const sender of [this.#story.alpha, ...this.#story.clones]) await this.#noteDeadLetters(sender);
    for (const text of this.#accepted) {
      assert.ok(seen.has(text) || this.#lost.has(text) || this.#deadLetters.has(text), `${text} is lost`);
    }
    const certain = arrived.filter(({ isPossibleDuplicate }) => !isPossibleDuplicate).map(({ text }) => text);
    if (this.#story.clones.length === 0) assert.deepEqual(certain, [...certain].sort(byNumber), 'in order');
  }

  async #send(sender: SendingMachine, count: number, timeToReachQueueMs: number | undefined): Promise<void> {
    const texts = Array.from({ length: count }, () => `m${this.#sentCount++}`);
    await sender.send(texts, timeToReachQueueMs === undefined ? {} : { timeToReachQueueMs });
    for (const text of texts) this.#accepted.add(text);
  }

  async #consume(count: number): Promise<void> {
    const { manager } = this.#story.beta;
    const seen = (await messagesOf(manager, 'billing')).slice(0, count);
    const page = await manager.takePage({ queue: 'billing', countMax: count }, () => true);
    assert.equal(page.taken.length, seen.length);
    const unit = manager.begin();
    for (const { delivery } of page.taken) delivery.complete(unit);
    await unit.commit();
    this.#consumed.push(...seen);
  }

  async #startReceiver(): Promise<void> {
    const { beta } = this.#story;
    await beta.start();
    await this.#declareQueue();
  }

  async #declareQueue(): Promise<void> {
    await this.#story.beta.manager.declareQueue('billing', {
      ...(this.#isTight && { quotaMessages: 3 }),
      ...(this.#isDenied && { acceptFrom: ['nobody'] }),
    });
  }

  async #arrived(): Promise<readonly SeenMessage[]> {
    return [...this.#consumed, ...(await messagesOf(this.#story.beta.manager, 'billing'))];
  }

  async #noteDeadLetters(sender: SendingMachine): Promise<void> {
    for (const text of await textsOf(sender.manager, 'dead-letter')) this.#deadLetters.add(text);
  }

  /** What stands in its store is gone with it. */
  async #loseSender(sender: SendingMachine): Promise<void> {
    for (const text of await textsOf(sender.manager, 'billing@beta')) this.#lost.add(text);
    await this.#noteDeadLetters(sender);
  }

  async #loseReceiver(): Promise<void> {
    const { beta } = this.#story;
    await this.#story.settleStores();
    for (const { text } of await this.#arrived()) this.#lost.add(text);
    beta.crash();
  }

  #latestLinks(use: (link: StreamStory['links'][number]) => void): void {
    for (const link of this.#story.links) use(link);
  }
}

function byNumber(left: string, right: string): number {
  return Number(left.slice(1)) - Number(right.slice(1));
}
