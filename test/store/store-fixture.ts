import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { PosthornError } from '../../src/message/posthorn-error.ts';
import type { EncodedMessage, Operation, Store, StoredMessage } from '../../src/store/store.ts';

/** What the tests of stores share: fresh directories, and short ways to say what goes in and to see what is there. */
export function storeFixture(open: (directory: string) => Promise<Store>): StoreFixture {
  const newDirectory = temporaryDirectories();
  return {
    open,
    newDirectory,
    async setup(t) {
      const directory = newDirectory();
      const store = await open(directory);
      t.after(() => store.close());
      await store.commit({ operations: PLACES });
      return { store, directory };
    },
  };
}

export interface StoreFixture {
  readonly open: (directory: string) => Promise<Store>;
  readonly newDirectory: () => string;
  /** A store in a fresh directory with places 1 (queue), 2 (delayed) and 3 (another queue), closed after the test. */
  readonly setup: (t: TestContext) => Promise<{ readonly store: Store; readonly directory: string }>;
}

/** Gives paths of directories that do not exist yet; all is removed when the file's tests are over. */
export function temporaryDirectories(): () => string {
  const root = mkdtempSync(join(tmpdir(), 'posthorn-store-'));
  after(() => rmSync(root, { recursive: true, force: true }));
  let count = 0;
  return () => join(root, String(++count));
}

export function put(place: number, position: number, body: string, deadlineMs?: number): Operation {
  const message: EncodedMessage = { headers: HEADERS, body: Buffer.from(body) };
  return { kind: 'put', place, position, message, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
}

export async function readAll(store: Store, place: number): Promise<StoredMessage[]> {
  const messages: StoredMessage[] = [];
  for (;;) {
    const afterPosition = messages.at(-1)?.position ?? -1;
    const page = await store.readMessages({ place, afterPosition, countMax: 100, bytesMax: 1e6, withBodies: true });
    messages.push(...page.messages);
    if (page.isLast) return messages;
  }
}

export async function bodiesOf(store: Store, place: number): Promise<string[]> {
  const messages = await readAll(store, place);
  return messages.map((message: StoredMessage) => text(message.body));
}

export function text(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '(none)' : Buffer.from(bytes).toString();
}

/** For `assert.rejects`: the error is ours and has this code. */
export function withCode(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PosthornError, String(error));
    assert.equal(error.code, code);
    return true;
  };
}

export const HEADERS = '{"a":"b"}';
export const WHOLE = { place: 1, countMax: 10_000, bytesMax: 100_000, withBodies: true };
export const PLACES: readonly Operation[] = [
  { kind: 'createPlace', place: 1, placeKind: 'queue', queue: 'orders' },
  { kind: 'createPlace', place: 2, placeKind: 'delayed', queue: 'orders' },
  { kind: 'createPlace', place: 3, placeKind: 'queue', queue: 'error' },
];
