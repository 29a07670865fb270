import { failpoint } from '../io/failpoint.ts';
import { clearAbortRows } from './abort-rows.ts';
import { answerOf } from './answer-of.ts';
import { classifyBranch } from './classify-branch.ts';
import type { CoordinatorCore } from './coordinator-core.ts';
import { SAFETY_INTERVAL_MS } from './limits.ts';
import { noteFinish } from './note-finish.ts';
import type { FinishAnswer, FinishRequest, FoundBranch, Witness } from './resource-manager.ts';
import { settleStaged } from './settle-staged.ts';
import { type BranchId, formatBranchId, parseTransactionId } from './transaction-id.ts';
import type { ClassifiedBranch, UsedResource, WatchedBranch } from './used-resource.ts';

/**
 * One round of recovery in one database. May be repeated, and may die anywhere (G-X7).
 *
 *     witness ▶ staged: fence ▶ decided: commit ▶ watched sessions: end ▶ scan ▶ orphans, strays: roll back ▶ abort rows ▶ leftovers
 *
 * - The witness comes first: what is no longer ours is concluded by nobody here. It is the probe too: a database that cannot
 *   be reached ends the round there, and not after a deadline for each thing that is pending.
 * - Nothing is presumed in a fenced database: no fence is inserted, nothing without a decision is rolled back. What a
 *   decision names is committed all the same; its sends stay held.
 * - Watched sessions are ended before the scan: what it shows then is all that there will ever be of them.
 * - The other steps do not wait for each other's success; the first failure is told at the end.
 *
 * @returns true when something is left to be settled here
 * @throws why the database could not be asked
 */
export async function recoverResource(core: CoordinatorCore, resource: UsedResource, self: Witness): Promise<boolean> {
  try {
    if (resource.standing === 'ready') await resource.checkWitness();
    else if (resource.standing !== 'fenced') await resource.contact();
  } catch (error) {
    noteUnreached(core, resource, answerOf(error));
    throw error;
  }
  const failures: unknown[] = [];
  const step = async (action: () => Promise<void>): Promise<void> => {
    try {
      await action();
    } catch (error) {
      failures.push(error);
    }
  };
  if (resource.standing === 'ready') await step(() => settleAllStaged(core, resource));
  await step(() => commitDecided(core, resource));
  await step(() => endWatchedSessions(resource));
  if (isScanNeeded(core, resource)) await step(() => scan(core, resource, self));
  if (resource.standing === 'ready') {
    await step(async () => void (await clearAbortRows(core, resource)));
    if (!resource.hasCleanedLeftovers) await step(() => cleanLeftovers(core, resource, self));
  }
  failpoint('recovery.before-end');
  if (failures.length > 0) throw failures[0];
  return hasPending(core, resource);
}

/** Operators see of everything that waits there that it was tried, and why in vain. */
function noteUnreached(core: CoordinatorCore, resource: UsedResource, lastAnswer: string): void {
  const branches = core.pending
    .all()
    .filter(({ owner }) => owner === 'recovery')
    .flatMap((pending) => pending.branches.filter((branch) => branch.resource === resource.name && branch.isOpen));
  for (const branch of [...branches, ...resource.watched.values()]) {
    branch.attempts++;
    branch.lastAnswer = lastAnswer;
  }
}

/** What keeps recovery at its short period. */
export function hasPending(core: CoordinatorCore, resource: UsedResource): boolean {
  const { name } = resource;
  if (resource.watched.size > 0 || resource.found.some(({ kind }) => kind === 'orphaned' || kind === 'stray'))
    return true;
  for (const row of core.records.abortRows.values()) if (row.resource === name) return true;
  for (const pending of core.pending.all()) {
    const isOpen = pending.branches.some((branch) => branch.resource === name && branch.isOpen);
    if (isOpen && pending.owner === 'recovery' && pending.state.current !== 'unknown') return true;
  }
  return false;
}

async function settleAllStaged(core: CoordinatorCore, resource: UsedResource): Promise<void> {
  for (const pending of core.pending.all()) {
    if (pending.owner !== 'recovery' || pending.state.current !== 'inDoubt' || !pending.uses(resource.name)) continue;
    try {
      await settleStaged(core, pending, { resource });
    } catch (error) {
      core.follow.unitDue();
      core.logger.warn(`The outcome of ${pending.id} is known and could not be written down yet.`, { error });
    }
  }
}

async function commitDecided(core: CoordinatorCore, resource: UsedResource): Promise<void> {
  for (const pending of core.pending.all()) {
    if (pending.owner !== 'recovery' || pending.record.state !== 'decided') continue;
    for (const branch of pending.branches) {
      if (branch.resource !== resource.name || !branch.isOpen) continue;
      const { session, transactionNumber } = branch;
      const answer = await finishByRecovery(resource, {
        id: { transaction: pending.id, qualifier: branch.qualifier },
        direction: 'commit',
        evidence: { session, ...(transactionNumber !== undefined && { transactionNumber }) },
        // The process that decided, this one or the last, may have been carried out without hearing of it.
        mayHaveFinished: true,
      });
      await noteFinish(core, pending, branch, answer);
    }
    if (pending.hasEndedEverywhere) core.follow.unitDue();
  }
}

/** After this, nothing of an unknown PREPARE can arrive any more. */
async function endWatchedSessions(resource: UsedResource): Promise<void> {
  for (const branch of resource.watched.values()) {
    if (branch.session === undefined) continue;
    const answer = await resource.recovery.endSession(branch.session);
    branch.attempts++;
    if (answer.kind === 'gone') branch.session = undefined;
    else branch.lastAnswer = answer.kind === 'alive' ? answer.sentence : answer.answer;
  }
}

/** Where the server keeps no prepared branches there is nothing to scan, and it may lack the right for it. */
function isScanNeeded(core: CoordinatorCore, resource: UsedResource): boolean {
  if (resource.inspection?.twoPhaseObstacle === undefined || resource.watched.size > 0) return true;
  return core.pending.all().some((pending) => pending.record.state === 'decided' && pending.uses(resource.name));
}

async function scan(core: CoordinatorCore, resource: UsedResource, self: Witness): Promise<void> {
  const provenBefore = new Map([...resource.watched].filter(([, { session }]) => session === undefined));
  const found = await resource.recovery.scan();
  failpoint('recovery.scanned');
  const nowMs = core.io.clock.monotonicNowMs();
  const seenBefore = new Map(resource.found.map((known) => [known.branch.text, known]));
  const classified: ClassifiedBranch[] = [];
  for (const branch of found) {
    const before = seenBefore.get(branch.text);
    const classes = classify(core, resource, self, branch);
    const watched = branch.id === undefined ? undefined : provenBefore.get(formatBranchId(branch.id));
    const entry: ClassifiedBranch = {
      branch,
      kind: classes,
      firstSeenMs: before?.firstSeenMs ?? nowMs,
      scannedMs: nowMs,
      lastAnswer: before?.lastAnswer,
      attempts: before?.attempts ?? 0,
    };
    const kept = await rollBackWhenSafe(core, resource, { entry, watched, nowMs });
    if (kept !== undefined) classified.push(kept);
  }
  resource.found = classified;
  forgetGone(resource, provenBefore, found);
}

function classify(
  core: CoordinatorCore,
  resource: UsedResource,
  self: Witness,
  branch: FoundBranch,
): ClassifiedBranch['kind'] {
  return classifyBranch(branch.id, {
    ...self,
    resource: resource.name,
    otherResources: [...core.resources.keys()].filter((name) => name !== resource.name),
    isResourceFenced: resource.standing === 'fenced',
    standingOf: (id) => standingOf(core, resource, id),
  });
}

function standingOf(core: CoordinatorCore, resource: UsedResource, id: BranchId) {
  if (resource.watched.has(formatBranchId(id))) return 'none';
  const pending = core.pendingOf(id.transaction);
  if (pending === undefined)
    return core.live.find((live) => live.id === id.transaction) === undefined ? 'none' : 'live';
  if (pending.record.state === 'staged') return 'live';
  return pending.branches.some(({ qualifier }) => qualifier === id.qualifier) ? 'decided' : 'contradicted';
}

interface RollbackCase {
  readonly entry: ClassifiedBranch;
  /** We know that its transaction did not decide, and that nothing more of it can arrive. */
  readonly watched: WatchedBranch | undefined;
  readonly nowMs: number;
}

/** @returns what is still there */
async function rollBackWhenSafe(
  core: CoordinatorCore,
  resource: UsedResource,
  { entry, watched, nowMs }: RollbackCase,
): Promise<ClassifiedBranch | undefined> {
  const { id } = entry.branch;
  const isOldEnough = nowMs - entry.firstSeenMs >= SAFETY_INTERVAL_MS;
  const isDue = entry.kind === 'orphaned' || (entry.kind === 'stray' && (watched !== undefined || isOldEnough));
  if (id === undefined || !isDue) return entry;
  const answer = await finishByRecovery(resource, {
    id,
    direction: 'rollback',
    evidence: undefined,
    mayHaveFinished: false,
  });
  if (answer.kind === 'done') return undefined;
  if (answer.kind === 'heuristic') {
    core.logger.error(
      `Branch ${formatBranchId(id)} in '${resource.name}' was never decided, and the database has another outcome (${answer.outcome}): ${answer.answer}.`,
      { transaction: id.transaction, resource: resource.name },
    );
    return undefined;
  }
  const lastAnswer = answer.sentence ?? answer.answer;
  return { ...entry, lastAnswer, attempts: entry.attempts + 1 };
}

/** A watched branch is over when its session was gone before the scan and the scan, or the rollback after it, ended it. */
function forgetGone(
  resource: UsedResource,
  provenBefore: ReadonlyMap<string, WatchedBranch>,
  found: readonly FoundBranch[],
): void {
  const stillThere = new Set(
    resource.found.flatMap(({ branch }) => (branch.id === undefined ? [] : [formatBranchId(branch.id)])),
  );
  const seen = new Set(found.flatMap(({ id }) => (id === undefined ? [] : [formatBranchId(id)])));
  for (const key of provenBefore.keys()) {
    if (!seen.has(key) || !stillThere.has(key)) resource.watched.delete(key);
  }
}

/** Marker rows of lives before this one whose APPLY is durable: they are not staged any more. */
async function cleanLeftovers(core: CoordinatorCore, resource: UsedResource, self: Witness): Promise<void> {
  const { recovery } = resource;
  let afterId: string | undefined;
  for (let isLast = false; !isLast; ) {
    const rows = await recovery.readMarkers({
      queueManager: self.queueManager,
      generation: self.generation,
      belowEpoch: self.epoch,
      countMax: LEFTOVERS_PAGE,
      ...(afterId !== undefined && { afterId }),
    });
    const leftovers = rows.filter(
      ({ transaction, outcome }) =>
        outcome === 'committed' && core.pendingOf(transaction) === undefined && isBelow(transaction, self.epoch),
    );
    if (leftovers.length > 0) await recovery.deleteMarkers(leftovers.map(({ transaction }) => transaction));
    afterId = rows.at(-1)?.transaction;
    isLast = rows.length < LEFTOVERS_PAGE;
  }
  resource.hasCleanedLeftovers = true;
}

/** Told once more from the id itself: base32 does not sort in databases as numbers do. */
function isBelow(transaction: string, epoch: number): boolean {
  const id = parseTransactionId(transaction);
  return id !== undefined && id.epoch < epoch;
}

export async function finishByRecovery(resource: UsedResource, request: FinishRequest): Promise<FinishAnswer> {
  failpoint('recovery.before-finish');
  try {
    const answer = await resource.recovery.finish(request);
    failpoint('recovery.finished-before-noted');
    return answer;
  } catch (error) {
    return { kind: 'again', answer: answerOf(error) };
  }
}

const LEFTOVERS_PAGE = 500;
