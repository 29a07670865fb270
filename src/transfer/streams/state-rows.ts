import type { TransferDoor } from '../../queues/transfer-door.ts';

/** One row of the key-value state; undefined when there is none. Written by this program, so its shape is taken as it is. */
export async function readRow<Row>(door: TransferDoor, key: string): Promise<Row | undefined> {
  const { entries } = await door.readState({ prefix: key, countMax: 1 });
  const found = entries.find((entry) => entry.key === key);
  return found === undefined ? undefined : (JSON.parse(found.value) as Row);
}
