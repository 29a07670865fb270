import { ID_PREFIX_LENGTH_MIN } from '../operations/limits.ts';
import type { Operations } from '../operations/operations.ts';
import { MessageNotFound } from './errors.ts';
import { messagePages } from './message-pages.ts';

/**
 * The whole ids of the messages that a person named, perhaps by the beginning of their ids.
 *
 * @throws {MessageNotFound} when the beginning of an id fits several
 */
export async function resolveIds(
  operations: Operations,
  queue: string,
  given: readonly string[],
): Promise<{ readonly found: readonly string[]; readonly missing: readonly string[] }> {
  const fitting = new Map(given.map((id) => [withoutEllipsis(id), new Set<string>()]));
  for await (const page of messagePages(operations, { queue })) {
    for (const { id } of page.messages) {
      for (const [wanted, ids] of fitting) {
        if (id === wanted || (wanted.length >= ID_PREFIX_LENGTH_MIN && id.startsWith(wanted))) ids.add(id);
      }
    }
  }
  const found = new Set<string>();
  const missing: string[] = [];
  for (const [wanted, ids] of fitting) {
    if (ids.has(wanted)) found.add(wanted);
    else if (ids.size > 1) throw MessageNotFound.severalFit(queue, wanted);
    else if (ids.size === 0) missing.push(wanted);
    else for (const id of ids) found.add(id);
  }
  return { found: [...found], missing };
}

/** An id that was copied out of a narrow table. */
export function withoutEllipsis(id: string): string {
  return id.replace(/(?:…|\.\.\.)$/, '');
}
