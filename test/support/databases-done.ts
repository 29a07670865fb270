import assert from 'node:assert/strict';
import type { CoordinatorStory } from './coordinator-story.ts';

/**
 * A commit tells that its databases are done while its last unit is not written yet; one that fails tells nothing.
 *
 * @param fail - makes the next commit fail
 */
export async function assertTellsDatabasesDone(story: CoordinatorStory, fail: () => void): Promise<void> {
  await story.put('m1', 'm2');
  let records: Promise<string[]> | undefined;
  const databasesDone = (): boolean => {
    records = story.state('transaction/');
    return false;
  };
  const { done, transaction } = await story.handle({ databasesDone });
  await done;
  assert.deepEqual(await records, [`transaction/${transaction.id}`], 'its last unit was not written yet');
  records = undefined;
  fail();
  const refused = await story.handle({ databasesDone });
  assert.ok((await refused.done) instanceof Error);
  refused.delivery.release();
  assert.equal(records, undefined, 'a commit that failed tells nothing');
}
