import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Io } from '../io/io.ts';
import { PosthornError } from '../message/posthorn-error.ts';
import { type DirectStore, MemoryDisk, openDirectStore } from './direct-store.ts';
import type { Operation, Store } from './store.ts';

/*
 * The engine against a plain model: any units in any order, with turns of the event loop, closings and crashes between
 * them. Every unit also counts itself, so that the content after a crash tells how many of those on the way survived: it must
 * be exactly what the model says for that prefix.
 */

interface Message {
  readonly headers: string;
  readonly body: string;
  readonly deadlineMs: number | undefined;
}

/** What a store holds, as plain values. Keys of messages are `place/position`. */
interface Content {
  readonly messages: ReadonlyMap<string, Message>;
  readonly state: ReadonlyMap<string, string>;
}

/** Chosen by fast-check; `which` picks among what the model holds at that time. */
type Step =
  | { readonly kind: 'put'; readonly place: number; readonly body: string; readonly deadlineMs: number | undefined }
  | { readonly kind: 'remove'; readonly which: number }
  | { readonly kind: 'move'; readonly which: number; readonly place: number; readonly deadlineMs: number | undefined }
  | { readonly kind: 'setState'; readonly key: string; readonly value: string }
  | { readonly kind: 'deleteState'; readonly key: string }
  | { readonly kind: 'addToCounter'; readonly key: string; readonly amount: number }
  | { readonly kind: 'contradict' };

type Action =
  | { readonly kind: 'commit'; readonly steps: readonly Step[] }
  | { readonly kind: 'turn' }
  | { readonly kind: 'settle' }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'crash'; readonly percent: number };

const place = fc.integer({ min: 1, max: 3 });
const deadlineMs = fc.option(fc.integer({ min: 0, max: 1000 }), { nil: undefined });
const key = fc.constantFrom('a/1', 'a/2', 'b/1');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('put'), place, body: fc.string({ maxLength: 30 }), deadlineMs }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove'), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('move'), which: fc.nat(), place, deadlineMs }) },
  fc.record({ kind: fc.constant('setState'), key, value: fc.string({ maxLength: 10 }) }),
  fc.record({ kind: fc.constant('deleteState'), key }),
  fc.record({ kind: fc.constant('addToCounter'), key: fc.constant('count/1'), amount: fc.integer() }),
  { weight: 1, arbitrary: fc.constant({ kind: 'contradict' } as const) },
);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('commit'), steps: fc.array(step, { maxLength: 5 }) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'turn' } as const) },
  { weight: 2, arbitrary: fc.constant({ kind: 'settle' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' } as const) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('crash'), percent: fc.integer({ min: 0, max: 99 }) }),
  },
);

test('S2, S3: whatever is committed, and wherever it crashes, the content is what the model says for a prefix', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 80, size: 'max' }), async (actions) => {
      const run = await ModelRun.begin();
      for (const next of actions) await run.act(next);
      await run.act({ kind: 'settle' });
    }),
    { numRuns: 300 },
  );
});

class ModelRun {
  readonly #disk = new MemoryDisk();
  readonly #io = new ManualIo();
  #store: DirectStore;
  /** The content after each unit that may be on the way, the synced one first. */
  #snapshots: Content[] = [{ messages: new Map(), state: new Map() }];
  #answers: Promise<void>[] = [];
  #nextPosition = 1;

  private constructor(store: DirectStore) {
    this.#store = store;
  }

  static async begin(): Promise<ModelRun> {
    const run = new ModelRun(undefined as unknown as DirectStore);
    await run.#open();
    run.#commit(
      [1, 2, 3].map((number) => ({ kind: 'createPlace', place: number, placeKind: 'queue', queue: `q${number}` })),
    );
    await run.act({ kind: 'settle' });
    return run;
  }

  async act(action: Action): Promise<void> {
    switch (action.kind) {
      case 'commit':
        return this.#commit(
          this.#operationsFor(action.steps),
          action.steps.some(({ kind }) => kind === 'contradict'),
        );
      case 'turn':
        return this.#io.turn();
      case 'settle':
        return this.#settle();
      case 'reopen':
        await this.#settle();
        await this.#store.close();
        await this.#open();
        assert.equal(this.#store.opened.wasClosedCleanly, true);
        this.#compareCounts();
        await this.#compare(this.#store);
        return;
      case 'crash':
        return this.#crash(action.percent / 100);
      default:
        action satisfies never;
    }
  }

  async #open(): Promise<void> {
    this.#store = await openDirectStore({ io: this.#io.io, disk: this.#disk });
    this.#answers = [];
    assert.ok(this.#store.opened.nextSequence >= 1);
  }

  #commit(operations: readonly Operation[], contradicts = false): void {
    const count: Operation = { kind: 'addToCounter', key: 'units/all', amount: 1 };
    const answer = this.#store.commit({ operations: [...operations, count] });
    if (contradicts) {
      this.#answers.push(
        assert.rejects(answer, (error) => error instanceof PosthornError && error.code === 'UNIT_CONTRADICTS_STORE'),
      );
      return;
    }
    this.#answers.push(answer);
    this.#snapshots.push(apply(this.#latest, [...operations, count]));
  }

  get #latest(): Content {
    return this.#snapshots.at(-1) ?? assert.fail('there is a snapshot');
  }

  /** Resolves the choices of fast-check against what will be there when the unit is applied. */
  #operationsFor(steps: readonly Step[]): Operation[] {
    const operations: Operation[] = [];
    for (const chosen of steps) {
      const { messages } = apply(this.#latest, operations);
      const picked = (which: number): { place: number; position: number } | undefined => {
        const [at] = [...messages.keys()].slice(which % Math.max(1, messages.size));
        const [inPlace, position] = (at ?? '').split('/').map(Number);
        return inPlace === undefined || position === undefined ? undefined : { place: inPlace, position };
      };
      const operation = operationFor(chosen, picked, this.#nextPosition);
      if (operation === undefined) continue;
      operations.push(operation);
      this.#nextPosition++;
    }
    return operations;
  }

  async #settle(): Promise<void> {
    this.#io.turn();
    await Promise.all(this.#answers);
    this.#answers = [];
    await this.#compare(this.#store);
    this.#snapshots = [this.#latest];
  }

  async #crash(fraction: number): Promise<void> {
    this.#store.crash({ fraction: () => fraction, uuid: () => assert.fail('no uuid is needed') });
    this.#io.forget();
    await this.#open();
    assert.equal(this.#store.opened.wasClosedCleanly, false);
    const there = await contentOf(this.#store);
    const survivor = this.#snapshots.find(({ state }) => state.get('units/all') === there.state.get('units/all'));
    assert.ok(survivor !== undefined, `${there.state.get('units/all')} units is none of the prefixes`);
    assert.deepEqual(there, survivor);
    this.#snapshots = [survivor];
    this.#compareCounts();
    await this.#compare(this.#store);
  }

  /** What the opening told about places is what is in them. */
  #compareCounts(): void {
    for (const { place: number, messageCount, byteCount } of this.#store.opened.places) {
      const inPlace = [...this.#latest.messages]
        .filter(([at]) => at.startsWith(`${number}/`))
        .map(([, message]) => message);
      const bytes = inPlace.map(({ headers, body }) => headers.length + Buffer.byteLength(body));
      assert.deepEqual(
        [messageCount, byteCount],
        [inPlace.length, bytes.reduce((sum, length) => sum + length, 0)],
        `the counts of place ${number}`,
      );
    }
  }

  /** Content and deadlines of the latest snapshot. */
  async #compare(store: DirectStore): Promise<void> {
    const expected = this.#latest;
    assert.deepEqual(await contentOf(store), expected);
    const due = [...expected.messages.values()].flatMap((message) => message.deadlineMs ?? []).sort((a, b) => a - b);
    assert.deepEqual(
      (await store.readDue(10_000, 1000)).map((message) => message.deadlineMs),
      due,
    );
    assert.equal(await store.nextDeadline(-1), due[0]);
  }
}

function operationFor(
  chosen: Step,
  picked: (which: number) => { readonly place: number; readonly position: number } | undefined,
  freshPosition: number,
): Operation | undefined {
  switch (chosen.kind) {
    case 'put': {
      const message = { headers: `{"n":${freshPosition}}`, body: Buffer.from(chosen.body) };
      const at = { place: chosen.place, position: freshPosition };
      return { kind: 'put', ...at, message, ...withDeadline(chosen.deadlineMs) };
    }
    case 'remove': {
      const at = picked(chosen.which);
      return at === undefined ? undefined : { kind: 'remove', ...at };
    }
    case 'move': {
      const at = picked(chosen.which);
      const to = { toPlace: chosen.place, toPosition: freshPosition };
      return at === undefined ? undefined : { kind: 'move', ...at, ...to, ...withDeadline(chosen.deadlineMs) };
    }
    case 'contradict':
      return { kind: 'remove', place: 1, position: 2 ** 40 };
    default:
      return chosen;
  }
}

function withDeadline(deadlineMs: number | undefined): { readonly deadlineMs?: number } {
  return deadlineMs === undefined ? {} : { deadlineMs };
}

/** The model: what a unit does to plain maps. */
function apply(content: Content, operations: readonly Operation[]): Content {
  const messages = new Map(content.messages);
  const state = new Map(content.state);
  for (const operation of operations) {
    switch (operation.kind) {
      case 'put':
        messages.set(`${operation.place}/${operation.position}`, {
          headers: String(operation.message.headers),
          body: Buffer.from(operation.message.body).toString(),
          deadlineMs: operation.deadlineMs,
        });
        break;
      case 'remove':
        messages.delete(`${operation.place}/${operation.position}`);
        break;
      case 'move': {
        const message = messages.get(`${operation.place}/${operation.position}`);
        if (message === undefined) break;
        messages.delete(`${operation.place}/${operation.position}`);
        messages.set(`${operation.toPlace}/${operation.toPosition}`, { ...message, deadlineMs: operation.deadlineMs });
        break;
      }
      case 'setState':
        state.set(operation.key, operation.value);
        break;
      case 'deleteState':
        state.delete(operation.key);
        break;
      case 'addToCounter':
        state.set(operation.key, String(Number(state.get(operation.key) ?? 0) + operation.amount));
        break;
      case 'createPlace':
        break;
      default:
        operation satisfies never;
    }
  }
  return { messages, state };
}

async function contentOf(store: Store): Promise<Content> {
  const messages = new Map<string, Message>();
  for (const at of [1, 2, 3]) {
    const range = { place: at, countMax: 1000, bytesMax: 1e9, withBodies: true };
    for (const message of (await store.readMessages(range)).messages) {
      assert.equal(message.damaged, false);
      messages.set(`${at}/${message.position}`, {
        headers: Buffer.from(message.headers).toString(),
        body: Buffer.from(message.body ?? []).toString(),
        deadlineMs: message.deadlineMs,
      });
    }
  }
  const { entries } = await store.readState({ prefix: '', countMax: 1000 });
  return { messages, state: new Map(entries.map((entry) => [entry.key, entry.value])) };
}

/** Doors whose turns are taken by hand. */
class ManualIo {
  #soon: (() => void)[] = [];
  #uuids = 0;
  readonly io: Io = {
    clock: { wallNowMs: () => 0, monotonicNowMs: () => 0, bootId: undefined },
    timers: {
      after: () => ({ cancel: () => undefined }),
      soon: (action) => this.#soon.push(action),
    },
    random: { uuid: () => `id-${++this.#uuids}`, fraction: () => 0 },
  };

  turn(): void {
    while (this.#soon.length > 0) for (const action of this.#soon.splice(0)) action();
  }

  /** A process that died takes no turn any more. */
  forget(): void {
    this.#soon = [];
  }
}
