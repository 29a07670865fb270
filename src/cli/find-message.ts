import type { MessageDetails } from '../operations/message-summary.ts';
import type { FindRequest, Operations } from '../operations/operations.ts';
import { MessageNotFound } from './errors.ts';
import { pages } from './message-pages.ts';
import { withoutEllipsis } from './resolve-ids.ts';

/**
 * The message with that id, or the only one whose id begins so; of several under one id the first.
 *
 * @throws {MessageNotFound} none has it, or the beginning fits several
 */
export async function findMessage(operations: Operations, wanted: FindRequest): Promise<MessageDetails> {
  const request = { ...wanted, id: withoutEllipsis(wanted.id) };
  let found: MessageDetails | undefined;
  for await (const page of pages((afterPosition) => operations.findMessage({ ...request, afterPosition }))) {
    if (page.message === undefined) continue;
    if (page.message.id === request.id) return page.message;
    if (found !== undefined && found.id !== page.message.id)
      throw MessageNotFound.severalFit(request.queue, request.id);
    found = page.message;
  }
  if (found === undefined) throw new MessageNotFound(request.queue, request.id);
  return found;
}
