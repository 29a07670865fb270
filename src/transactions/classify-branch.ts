import { type BranchId, formatBranchQualifier, parseTransactionId } from './transaction-id.ts';

/**
 * What a prepared branch that a scan found is to us. Pure; guarantees-and-faults.md 4.7 step 3, in this order:
 *
 * | the branch is                                             | class       | what happens                               |
 * |-----------------------------------------------------------|-------------|--------------------------------------------|
 * | not in our form, or of another queue manager              | `foreign`   | listed, never touched                      |
 * | of another resource of ours on the same server            | `elsewhere` | that resource's round looks after it       |
 * | of a transaction that runs here, or that is staged        | `live`      | left alone                                 |
 * | named by a decision                                       | `decided`   | committed                                  |
 * | of an unknown generation, of a later epoch, on a fenced   | `fenced`    | listed; only an operator ends it           |
 * | resource, or missing in its transaction's own decision    |             |                                            |
 * | of an earlier epoch                                       | `orphaned`  | rolled back now: who could decide is dead  |
 * | of this epoch                                             | `stray`     | rolled back after the safety interval      |
 */
export function classifyBranch(id: BranchId | undefined, known: Known): BranchClass {
  if (id === undefined) return 'foreign';
  const parsed = parseTransactionId(id.transaction);
  if (parsed === undefined || parsed.queueManager !== known.queueManager) return 'foreign';
  if (known.otherResources.some((name) => isOfResource(id, name)) && !isOfResource(id, known.resource))
    return 'elsewhere';
  switch (known.standingOf(id)) {
    case 'live':
      return 'live';
    case 'decided':
      return 'decided';
    case 'contradicted':
      return 'fenced';
    case 'none':
      break;
  }
  if (known.isResourceFenced || parsed.generation !== known.generation || parsed.epoch > known.epoch) return 'fenced';
  return parsed.epoch < known.epoch ? 'orphaned' : 'stray';
}

export type BranchClass = 'foreign' | 'elsewhere' | 'live' | 'decided' | 'fenced' | 'orphaned' | 'stray';

export interface Known {
  readonly queueManager: string;
  readonly generation: string;
  readonly epoch: number;
  readonly resource: string;
  /** Names of the other resources in use. */
  readonly otherResources: readonly string[];
  readonly isResourceFenced: boolean;
  /** `contradicted`: there is a decision about its transaction, and it does not name this branch. */
  standingOf(id: BranchId): 'live' | 'decided' | 'contradicted' | 'none';
}

function isOfResource(id: BranchId, resource: string): boolean {
  const own = formatBranchQualifier(resource, 0);
  return id.qualifier.slice(0, own.indexOf('.')) === own.slice(0, own.indexOf('.'));
}
