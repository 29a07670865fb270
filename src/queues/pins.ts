import type { Store, StoredMessage } from '../store/store.ts';

/** What an outgoing queue may have sent before this process began: messages whose outcome nobody here knows. */
export interface Pins {
  /** As last made durable. */
  readonly sentUpTo: number;
  /** At or below it, ascending, without bodies. */
  readonly messages: readonly StoredMessage[];
}

/** A position under `sent-up-to/QUEUE@MACHINE`; see transfer/streams/stream-rows.ts for the order of the syncs. */
export const SENT_UP_TO_PREFIX = 'sent-up-to/';

/** Reads the pinned messages of every queue that has such an entry. As many as one stream's window, and what it reserved. */
export async function readPins(
  store: Store,
  entries: readonly { readonly key: string; readonly value: string }[],
): Promise<ReadonlyMap<string, Pins>> {
  const pins = new Map<string, Pins>();
  for (const { key, value } of entries) {
    const queue = key.slice(SENT_UP_TO_PREFIX.length);
    const sentUpTo = Number(value);
    const place = store.opened.places.find((found) => found.kind === 'queue' && found.queue === queue)?.place;
    if (place !== undefined) pins.set(queue, { sentUpTo, messages: await readUpTo(store, place, sentUpTo) });
  }
  return pins;
}

async function readUpTo(store: Store, place: number, upToPosition: number): Promise<readonly StoredMessage[]> {
  const messages: StoredMessage[] = [];
  for (;;) {
    const afterPosition = messages.at(-1)?.position;
    const page = await store.readMessages({
      place,
      upToPosition,
      countMax: PIN_PAGE_MESSAGES,
      bytesMax: PIN_PAGE_BYTES,
      withBodies: false,
      ...(afterPosition !== undefined && { afterPosition }),
    });
    messages.push(...page.messages);
    if (page.isLast) return messages;
  }
}

const PIN_PAGE_MESSAGES = 512;
const PIN_PAGE_BYTES = 2 * 1024 * 1024;
