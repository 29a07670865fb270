import type { ResourceKind } from './resource-manager.ts';
import { type BranchId, formatBranchId } from './transaction-id.ts';

/** What a person would type on the database to end a branch of ours: the same as a scan of it shows, without asking it. */
export function sqlByHand(kind: ResourceKind, id: BranchId): { readonly commit: string; readonly rollback: string } {
  switch (kind) {
    case 'postgres': {
      const name = `'${formatBranchId(id)}'`;
      return { commit: `COMMIT PREPARED ${name};`, rollback: `ROLLBACK PREPARED ${name};` };
    }
    case 'mysql': {
      const name = `'${id.transaction}','${id.qualifier}',1`;
      return { commit: `XA COMMIT ${name};`, rollback: `XA ROLLBACK ${name};` };
    }
    default:
      return kind satisfies never;
  }
}
