import { failpoint } from '../io/failpoint.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { Delivery } from '../transport/transport.ts';
import type { BrowsedMessage, BrowseRange, TakenPage } from './browsing.ts';

/** Removes everything that waits in a queue, delayed messages included, in a unit for each page; resolves with the count. */
export async function purge(queue: string, manager: PurgedManager): Promise<number> {
  let purgedCount = 0;
  for (const kind of ['queue', 'delayed'] as const) {
    let afterPosition: number | undefined;
    for (let isLast = false; !isLast; ) {
      const range = { queue, kind, countMax: PURGE_PAGE, ...(afterPosition !== undefined && { afterPosition }) };
      const page = await manager.takePage(range, () => true);
      const deliveries = page.taken.map(({ delivery }) => delivery);
      const work = manager.begin();
      for (const delivery of deliveries) delivery.complete(work);
      manager.notePurged(deliveries, work);
      failpoint('purge.before-page');
      await work.commit();
      failpoint('purge.after-page');
      purgedCount += deliveries.length;
      afterPosition = page.lastPosition ?? afterPosition;
      isLast = page.isLast;
    }
  }
  return purgedCount;
}

/** What of a queue manager it takes. */
interface PurgedManager {
  begin(): UnitOfWork;
  takePage(range: BrowseRange, accept: (message: BrowsedMessage) => boolean): Promise<TakenPage>;
  notePurged(deliveries: readonly Delivery[], work: UnitOfWork): void;
}

const PURGE_PAGE = 256;
