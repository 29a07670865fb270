import type { MessageDetails } from '../operations/message-summary.ts';
import type { FindRequest, Operations } from '../operations/operations.ts';
import { MessageNotFound } from './errors.ts';
import { messagePages, pages } from './message-pages.ts';
import { withoutEllipsis } from './resolve-ids.ts';

export interface FoundMessage {
  readonly message: MessageDetails;
  /** Messages in that place with the same id, this one among them. */
  readonly sameIdCount: number;
}

/**
 * The message with that id, or the only one whose id begins so; of several under one id the first.
 *
 * @throws {MessageNotFound} none has it, or the beginning fits several
 */
export async function findMessage(operations: Operations, wanted: FindRequest): Promise<FoundMessage> {
  const request = { ...wanted, id: withoutEllipsis(wanted.id) };
  let message: MessageDetails | undefined;
  let sameIdCount = 0;
  for await (const page of pages((afterPosition) => operations.findMessage({ ...request, afterPosition }))) {
    if (page.message === undefined) continue;
    if (page.message.id === request.id) {
      return { message: page.message, sameIdCount: await countOfId(operations, request) };
    }
    if (message !== undefined && message.id !== page.message.id)
      throw MessageNotFound.severalFit(request.queue, request.id);
    message ??= page.message;
    sameIdCount++;
  }
  if (message === undefined) throw new MessageNotFound(request.queue, request.id);
  return { message, sameIdCount };
}

/** At least 1: the message that was found may have been received meanwhile. */
async function countOfId(operations: Operations, { queue, kind, id }: FindRequest): Promise<number> {
  let count = 0;
  for await (const page of messagePages(operations, { queue, kind, filter: { ids: [id] } }))
    count += page.messages.length;
  return Math.max(1, count);
}
