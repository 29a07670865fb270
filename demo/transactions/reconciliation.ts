import type { DatabaseContents } from './databases.ts';

/** What must be the same at the end, by the ids of the orders. */
export interface Books {
  readonly accepted: ReadonlySet<string>;
  readonly databases: DatabaseContents;
  readonly prepared: { readonly postgres: number; readonly mariadb: number };
  /** In all queues of both machines, error and dead-letter queues included. */
  readonly messagesLeft: number;
}

export function describeBooks(books: Books): string {
  const { accepted, databases, prepared, messagesLeft } = books;
  const lines = ['                              rows   missing   twice'];
  for (const [what, ids] of partsOf(databases)) {
    const numbers = [ids.length, missingIn(ids, accepted).length, doublesIn(ids).length];
    lines.push(what.padEnd(24) + numbers.map((each, column) => String(each).padStart(WIDTHS[column] ?? 0)).join(''));
  }
  lines.push(`pieces taken from stock ${String(databases.piecesTaken).padStart(10)}`);
  lines.push(`orders accepted         ${String(accepted.size).padStart(10)}`);
  lines.push('');
  lines.push(`messages left in the queues of both machines: ${messagesLeft}`);
  lines.push(`branches left prepared: PostgreSQL ${prepared.postgres}, MariaDB ${prepared.mariadb}`);
  return lines.join('\n');
}

/** True when every order that was accepted is everywhere once, and nothing else is anywhere. */
export function isBalanced({ accepted, databases, prepared, messagesLeft }: Books): boolean {
  const isEverywhereOnce = partsOf(databases).every(
    ([, ids]) => ids.length === accepted.size && missingIn(ids, accepted).length === 0,
  );
  const isNothingLeft = messagesLeft + prepared.postgres + prepared.mariadb === 0;
  return isEverywhereOnce && databases.piecesTaken === accepted.size && isNothingLeft;
}

function partsOf({ orders, picks, shipments }: DatabaseContents): readonly (readonly [string, readonly string[]])[] {
  return [
    ['PostgreSQL  orders', orders],
    ['MariaDB     picks', picks],
    ['PostgreSQL  shipments', shipments],
  ];
}

function missingIn(ids: readonly string[], wanted: ReadonlySet<string>): string[] {
  const there = new Set(ids);
  return [...wanted].filter((id) => !there.has(id));
}

function doublesIn(ids: readonly string[]): string[] {
  const seen = new Set<string>();
  return ids.filter((id) => seen.has(id) || !seen.add(id));
}

const WIDTHS = [10, 10, 8];
