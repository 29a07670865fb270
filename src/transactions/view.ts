import type { CoordinatorCore } from './coordinator-core.ts';
import { TransactionNotFound } from './errors.ts';
import { VIEW_PAGE } from './limits.ts';
import type { PendingBranch, PendingTransaction } from './pending-transaction.ts';
import {
  foundSentence,
  liveSentence,
  pendingSentence,
  protocolReason,
  resourceSentence,
  spanWords,
} from './sentences.ts';
import { sqlByHand } from './sql-by-hand.ts';
import type { TransactionAtHand } from './transaction-at-hand.ts';
import { formatBranchId } from './transaction-id.ts';
import type {
  BranchView,
  ResourceView,
  TransactionPage,
  TransactionView,
  TransactionViewState,
  ViewRequest,
} from './transaction-view.ts';
import type { HeldSend } from './unit-of-work.ts';
import { type ClassifiedBranch, preparedForMs, type UsedResource, type WatchedBranch } from './used-resource.ts';

/**
 * What operators see: transactions that run, that are written down, and prepared branches that scans found. One view for
 * each id; what is written down says more than what runs, and that more than what was found.
 */
export class Views {
  readonly #core: CoordinatorCore;

  constructor(core: CoordinatorCore) {
    this.#core = core;
  }

  page({ afterId, state, resource, endpoint }: ViewRequest): TransactionPage {
    const rest = this.#all().filter(
      (view) =>
        (afterId === undefined || view.id > afterId) &&
        (state === undefined || view.state === state) &&
        (resource === undefined || view.branches.some((branch) => branch.resource === resource)) &&
        (endpoint === undefined || view.endpoint === endpoint),
    );
    return {
      transactions: rest.slice(0, VIEW_PAGE),
      isLast: rest.length <= VIEW_PAGE,
      resources: afterId === undefined ? this.#resourceViews() : [],
    };
  }

  /** One that is not there any more, by what operators did to it. @throws {TransactionNotFound} more than one begins so */
  settled(id: string): TransactionView | undefined {
    const touched = this.#core.records.touchedIds().filter((each) => each.startsWith(id) && id !== '');
    const [known, another] = touched.includes(id) ? [id] : touched;
    if (another !== undefined) throw new TransactionNotFound(id, touched.slice(0, 5));
    if (known === undefined) return undefined;
    return {
      id: known,
      state: 'settled',
      protocol: undefined,
      protocolReason: undefined,
      endpoint: undefined,
      messageId: undefined,
      messageType: undefined,
      ageMs: undefined,
      branches: [],
      heldSends: [],
      sentence: 'It is settled, and nothing is left of it but what operators did.',
      actions: this.#core.records.actionsOn(known),
    };
  }

  /** @throws {TransactionNotFound} more than one begins so */
  find(id: string): TransactionView | undefined {
    const views = this.#all();
    const exact = views.find((view) => view.id === id);
    if (exact !== undefined || id === '') return exact;
    const nearby = views.filter((view) => view.id.startsWith(id));
    if (nearby.length > 1)
      throw new TransactionNotFound(
        id,
        nearby.slice(0, 5).map((view) => view.id),
      );
    return nearby[0];
  }

  resourceView(resource: UsedResource): ResourceView {
    const { name, manager, trouble, sinceMs, standing } = resource;
    const fence = this.#core.records.fences.get(name);
    const state =
      standing === 'ready' || standing === 'unproven'
        ? trouble === undefined && standing === 'ready'
          ? 'ready'
          : 'unavailable'
        : standing;
    const prepared = resource.found.filter(({ kind }) => kind !== 'foreign' && kind !== 'elsewhere');
    const ages = prepared.map((found) => this.#ageOf(found));
    return {
      name,
      kind: manager.kind,
      target: manager.target,
      state,
      sinceMs,
      sentence: resourceSentence(name, state, { trouble, fence }),
      oldestPreparedMs: ages.length === 0 ? undefined : Math.max(...ages),
      mayBeHandledUpTo: fence?.isMarkerTableGone === true ? undefined : fence?.sequenceMax,
      endpoints: [...new Set([...resource.uses].map(({ endpoint }) => endpoint))].sort(),
    };
  }

  #resourceViews(): readonly ResourceView[] {
    const views = new Map<string, ResourceView>();
    for (const resource of this.#core.resources.values()) views.set(resource.name, this.resourceView(resource));
    const named = [
      ...this.#core.pending.all().flatMap(({ branches }) => branches.map(({ resource }) => resource)),
      ...this.#core.records.fences.keys(),
      ...[...this.#core.records.abortRows.values()].map(({ resource }) => resource),
    ];
    for (const name of named) {
      if (!views.has(name)) views.set(name, this.#absentView(name));
    }
    return [...views.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  #absentView(name: string): ResourceView {
    const fence = this.#core.records.fences.get(name);
    const state = fence === undefined ? 'absent' : 'fenced';
    return {
      name,
      kind: undefined,
      target: undefined,
      state,
      sinceMs: fence?.sinceMs,
      sentence: resourceSentence(name, state, { trouble: undefined, fence }),
      oldestPreparedMs: undefined,
      mayBeHandledUpTo: fence?.isMarkerTableGone === true ? undefined : fence?.sequenceMax,
      endpoints: [],
    };
  }

  #all(): readonly TransactionView[] {
    const views = new Map<string, TransactionView>();
    for (const pending of this.#core.pending.all()) views.set(pending.id, this.#pendingView(pending));
    for (const live of this.#core.live.all()) if (!views.has(live.id)) views.set(live.id, this.#liveView(live));
    for (const [id, found] of this.#foundById()) if (!views.has(id)) views.set(id, this.#foundView(id, found));
    return [...views.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  /** Branches that only a scan, or the watch list, knows. */
  #foundById(): ReadonlyMap<string, readonly Found[]> {
    const byId = new Map<string, Found[]>();
    const add = (id: string, found: Found): void => void (byId.get(id)?.push(found) ?? byId.set(id, [found]));
    for (const resource of this.#core.resources.values()) {
      const shown = new Set<string>();
      for (const classified of resource.found) {
        const { id, text } = classified.branch;
        if (classified.kind === 'live' || classified.kind === 'decided' || classified.kind === 'elsewhere') continue;
        shown.add(id === undefined ? text : formatBranchId(id));
        add(id?.transaction ?? text, { resource, classified });
      }
      for (const [key, watched] of resource.watched) {
        if (!shown.has(key)) add(watched.transaction, { resource, watched });
      }
    }
    return byId;
  }

  #pendingView(pending: PendingTransaction): TransactionView {
    const { record } = pending;
    const fenced = pending.branches.filter(({ resource }) => this.#core.records.fences.has(resource));
    const state: TransactionViewState = pending.branches.some(({ heuristic }) => heuristic !== undefined)
      ? 'heuristic'
      : record.state === 'staged'
        ? 'inDoubt'
        : 'committing';
    return {
      id: pending.id,
      state,
      protocol: record.protocol,
      protocolReason: protocolReason(record.protocol, record.branches.length),
      endpoint: record.endpoint,
      messageId: record.messageId,
      messageType: record.messageType,
      ageMs: this.#core.io.clock.wallNowMs() - record.startedMs,
      branches: pending.branches.map((branch) => this.#pendingBranchView(pending, branch)),
      heldSends: countByQueue(record.sends),
      sentence: pendingSentence({
        state: pending.state.current,
        due: pending.due?.kind,
        decidedAgo: spanWords(this.#core.io.clock.wallNowMs() - record.writtenMs),
        fenced: fenced.map(({ resource }) => resource),
        branches: pending.branches.map((branch) => ({
          ...branch.toRecord(),
          lastAnswer: branch.lastAnswer,
          attempts: branch.attempts,
          nextTryMs: this.#nextTryMs(branch.resource),
          isKnown: this.#core.resources.has(branch.resource),
        })),
      }),
      actions: this.#core.records.actionsOn(pending.id),
    };
  }

  #pendingBranchView(pending: PendingTransaction, branch: PendingBranch): BranchView {
    const isStaged = pending.record.state === 'staged';
    const open = isStaged ? 'unknown' : 'committing';
    const id = { transaction: pending.id, qualifier: branch.qualifier };
    const kind = this.#core.resources.get(branch.resource)?.manager.kind;
    return {
      resource: branch.resource,
      branchId: formatBranchId(id),
      state: branch.heuristic !== undefined ? 'heuristic' : branch.proof !== undefined ? 'committed' : open,
      lastAnswer: branch.lastAnswer,
      attempts: branch.attempts,
      nextTryMs: branch.isOpen ? this.#nextTryMs(branch.resource) : undefined,
      heuristic: branch.heuristic,
      proof: branch.proof,
      sql: isStaged || kind === undefined ? undefined : sqlByHand(kind, id),
    };
  }

  #liveView(live: TransactionAtHand): TransactionView {
    const { messageId, messageType } = live.request.about();
    const { current } = live.state;
    const isUnknown = current === 'unknown';
    return {
      id: live.id,
      state: isUnknown ? 'inDoubt' : current === 'preparing' || current === 'deciding' ? 'preparing' : 'active',
      protocol: live.protocol,
      protocolReason: live.protocol === undefined ? undefined : protocolReason(live.protocol, live.branches.all.length),
      endpoint: live.request.endpoint,
      messageId,
      messageType,
      ageMs: this.#core.io.clock.wallNowMs() - live.startedMs,
      branches: live.branches.all.map((branch) => ({
        ...NOTHING_KNOWN,
        resource: branch.resource.name,
        branchId: formatBranchId(branch.id),
        state: isUnknown ? 'unknown' : 'working',
      })),
      heldSends: [],
      sentence: liveSentence(current),
      actions: [],
    };
  }

  #foundView(id: string, found: readonly Found[]): TransactionView {
    const kind = found[0]?.classified?.kind;
    const state: TransactionViewState = kind === 'foreign' ? 'foreign' : kind === 'fenced' ? 'fenced' : 'aborting';
    const ages = found.map(({ classified, watched }) =>
      classified !== undefined ? this.#ageOf(classified) : this.#core.io.clock.wallNowMs() - (watched?.sinceMs ?? 0),
    );
    const branches = found.map((one) => this.#foundBranchView(one));
    return {
      id,
      state,
      protocol: state === 'foreign' ? undefined : 'twoPhase',
      protocolReason: undefined,
      endpoint: undefined,
      messageId: undefined,
      messageType: undefined,
      ageMs: ages.length === 0 ? undefined : Math.max(...ages),
      branches,
      heldSends: [],
      sentence: foundSentence(state, {
        resources: branches.map(({ resource }) => resource),
        owner: found[0]?.classified?.branch.owner,
        answer: branches.find(({ lastAnswer }) => lastAnswer !== undefined)?.lastAnswer,
      }),
      actions: this.#core.records.actionsOn(id),
    };
  }

  #foundBranchView({ resource, classified, watched }: Found): BranchView {
    const id = classified?.branch.id;
    const isTouched = classified === undefined || classified.kind === 'orphaned' || classified.kind === 'stray';
    return {
      ...NOTHING_KNOWN,
      resource: resource.name,
      branchId:
        watched !== undefined
          ? formatBranchId(watched)
          : id !== undefined
            ? formatBranchId(id)
            : (classified?.branch.text ?? ''),
      state: classified === undefined ? 'unknown' : isTouched ? 'rollingBack' : 'prepared',
      lastAnswer: classified?.lastAnswer ?? watched?.lastAnswer,
      attempts: classified?.attempts ?? watched?.attempts ?? 0,
      nextTryMs: isTouched ? this.#nextTryMs(resource.name) : undefined,
      sql: classified?.branch.sql,
    };
  }

  #ageOf(found: ClassifiedBranch): number {
    return Math.round(preparedForMs(found, this.#core.io.clock.monotonicNowMs()));
  }

  #nextTryMs(name: string): number | undefined {
    const nextRoundMs = this.#core.resources.get(name)?.nextRoundMs;
    return nextRoundMs === undefined
      ? undefined
      : Math.max(0, Math.round(nextRoundMs - this.#core.io.clock.monotonicNowMs()));
  }
}

interface Found {
  readonly resource: UsedResource;
  readonly classified?: ClassifiedBranch;
  readonly watched?: WatchedBranch;
}

const NOTHING_KNOWN = {
  lastAnswer: undefined,
  attempts: 0,
  nextTryMs: undefined,
  heuristic: undefined,
  proof: undefined,
  sql: undefined,
} as const;

function countByQueue(sends: readonly HeldSend[]): TransactionView['heldSends'] {
  const counts = new Map<string, number>();
  for (const { queue } of sends) counts.set(queue, (counts.get(queue) ?? 0) + 1);
  return [...counts].map(([queue, messages]) => ({ queue, messages })).sort((a, b) => (a.queue < b.queue ? -1 : 1));
}
