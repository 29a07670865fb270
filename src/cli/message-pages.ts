import type { MessageSummary } from '../operations/message-summary.ts';
import type { MessagePage, Operations, PageEnd, ReadRequest } from '../operations/operations.ts';

/** The pages of a queue, one after the other; what arrives meanwhile is left out. */
export async function* messagePages(operations: Operations, request: ReadRequest): AsyncGenerator<MessagePage> {
  const { highestSequence } = await operations.describeManager();
  yield* pages((afterPosition) => operations.readMessages({ sequenceMax: highestSequence, ...request, afterPosition }));
}

/** Asks for page after page until the last. */
export async function* pages<Page extends PageEnd>(
  read: (afterPosition: number | undefined) => Promise<Page>,
): AsyncGenerator<Page> {
  let afterPosition: number | undefined;
  for (;;) {
    const page = await read(afterPosition);
    yield page;
    if (page.isLast || page.lastPosition === undefined) return;
    afterPosition = page.lastPosition;
  }
}

/** The first `countMax` messages that fit; `hasMore` when at least one more does. */
export async function firstMessages(
  operations: Operations,
  request: ReadRequest,
  countMax: number,
): Promise<{ readonly messages: readonly MessageSummary[]; readonly hasMore: boolean }> {
  const messages: MessageSummary[] = [];
  for await (const page of messagePages(operations, request)) {
    messages.push(...page.messages);
    if (messages.length > countMax) return { messages: messages.slice(0, countMax), hasMore: true };
  }
  return { messages, hasMore: false };
}
