import { CHANGE_PAGE_MESSAGES_MAX } from '../operations/limits.ts';
import type { Operations } from '../operations/operations.ts';
import type { ReturnOperation } from '../operations/return-operation.ts';
import { Interruption } from './interruption.ts';
import { Progress } from './progress.ts';
import { pause, type VerbContext } from './verb.ts';

/**
 * Does page after page of a return operation until it has ended, at most `rate` messages a second.
 *
 * Interrupted by the person, it ends after the page it is at: the result then still says `running`.
 */
export async function runReturn(
  context: VerbContext,
  operations: Operations,
  wish: { readonly id: string; readonly rate: number | undefined },
): Promise<ReturnOperation> {
  const { io, terminal } = context;
  const progress = new Progress(terminal, io, 'Returning');
  const countMax =
    wish.rate === undefined
      ? CHANGE_PAGE_MESSAGES_MAX
      : Math.max(1, Math.min(CHANGE_PAGE_MESSAGES_MAX, Math.floor(wish.rate / PAGES_PER_SECOND)));
  const interruption = new Interruption();
  let returnedBefore: number | undefined;
  try {
    for (;;) {
      const begunMs = io.clock.monotonicNowMs();
      const operation = await operations.continueReturn({ id: wish.id, countMax });
      await progress.show(operation.lookedAt, operation.total, `${operation.returned} returned`);
      if (operation.state !== 'running' || interruption.happened) return operation;
      if (wish.rate === undefined) continue;
      const returned = Math.min(countMax, operation.returned - (returnedBefore ?? 0));
      returnedBefore = operation.returned;
      const dueMs = begunMs + (returned / wish.rate) * 1000;
      await Promise.race([pause(io, Math.max(0, dueMs - io.clock.monotonicNowMs())), interruption.promise]);
      if (interruption.happened) return operation;
    }
  } finally {
    progress.end();
    interruption.stopListening();
  }
}

/** A rate is kept four times a second, so that what goes back comes in small portions. */
const PAGES_PER_SECOND = 4;
