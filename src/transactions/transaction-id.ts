import { invariant } from '../message/posthorn-error.ts';

/**
 * Names of global transactions and of their branches, as databases see and keep them.
 *
 *     P1.<queue manager, 26>.<generation, 8>.<epoch, 6>.<sequence, 13>     59 characters, base32, every field of fixed width
 *     <resource, 13>.<ordinal, 2>                                          16 characters, the branch within it
 *
 * A name is ours when every field parses and the queue manager is compared whole: no prefix of one name is another name
 * (guarantees-and-faults.md, finding F12). The alphabet is that of RFC 4648 in lower case, so names stand in SQL literals
 * as they are.
 *
 * - queue manager: the 128 bits of the store's id
 * - generation: 40 random bits, new with each store, and with each time an operator accepts one that went back in time
 * - epoch: rises with each start of the coordinator, and while it runs (epochs.ts); synced before the first branch
 * - sequence: counts the transactions of one opening, from 1
 */
export interface TransactionId {
  readonly queueManager: string;
  readonly generation: string;
  readonly epoch: number;
  readonly sequence: number;
}

export function formatTransactionId({ queueManager, generation, epoch, sequence }: TransactionId): string {
  return `${PREFIX}.${queueManager}.${generation}.${encode(epoch, EPOCH_LENGTH)}.${encode(sequence, SEQUENCE_LENGTH)}`;
}

/** Undefined for everything that is not whole and wholly in our form. */
export function parseTransactionId(text: string): TransactionId | undefined {
  const fields = TRANSACTION_ID.exec(text);
  if (fields === null) return undefined;
  const [, queueManager = '', generation = '', epochText = '', sequenceText = ''] = fields;
  const epoch = decode(epochText);
  const sequence = decode(sequenceText);
  if (!Number.isSafeInteger(sequence)) return undefined;
  return { queueManager, generation, epoch, sequence };
}

/** The field of a queue manager: its store's UUID in base32. */
export function queueManagerField(storeId: string): string {
  const hexadecimal = storeId.replaceAll('-', '');
  invariant(/^[0-9a-f]{32}$/i.test(hexadecimal), `the id of a store is a UUID, this one is '${storeId}'`);
  return encodeBig(BigInt(`0x${hexadecimal}`), QUEUE_MANAGER_LENGTH);
}

/** The field of a generation, from the first 40 bits of a UUID. */
export function generationField(uuid: string): string {
  return encodeBig(BigInt(`0x${uuid.replaceAll('-', '').slice(0, 10)}`), GENERATION_LENGTH);
}

/** A branch within its transaction: its resource's name as a number, and which branch of that resource. */
export function formatBranchQualifier(resource: string, ordinal: number): string {
  let field = resourceFields.get(resource);
  if (field === undefined) {
    field = encodeBig(hashOf(resource), RESOURCE_LENGTH);
    resourceFields.set(resource, field);
  }
  return `${field}.${encode(ordinal, ORDINAL_LENGTH)}`;
}

/** A program has a few resources, and each branch is named after one. */
const resourceFields = new Map<string, string>();

export function isBranchQualifier(text: string): boolean {
  return BRANCH_QUALIFIER.test(text);
}

/** What a branch is called where there is one text for both, as in PostgreSQL: 76 characters. */
export function formatBranchId(branch: BranchId): string {
  return `${branch.transaction}:${branch.qualifier}`;
}

/** Undefined for what is not ours in form: foreign. */
export function parseBranchId(text: string): BranchId | undefined {
  const colon = text.indexOf(':');
  const transaction = text.slice(0, Math.max(0, colon));
  const qualifier = text.slice(colon + 1);
  if (parseTransactionId(transaction) === undefined || !isBranchQualifier(qualifier)) return undefined;
  return { transaction, qualifier };
}

export interface BranchId {
  /** As `formatTransactionId` writes it. */
  readonly transaction: string;
  /** As `formatBranchQualifier` writes it. */
  readonly qualifier: string;
}

export const TRANSACTION_ID_LENGTH = 59;
/** The highest that its field can hold. */
export const EPOCH_MAX = 2 ** 30 - 1;

const PREFIX = 'P1';
const QUEUE_MANAGER_LENGTH = 26;
const GENERATION_LENGTH = 8;
const EPOCH_LENGTH = 6;
const SEQUENCE_LENGTH = 13;
const RESOURCE_LENGTH = 13;
const ORDINAL_LENGTH = 2;
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const TRANSACTION_ID = /^P1\.([a-z2-7]{26})\.([a-z2-7]{8})\.([a-z2-7]{6})\.([a-z2-7]{13})$/;
const BRANCH_QUALIFIER = /^[a-z2-7]{13}\.[a-z2-7]{2}$/;

function encode(value: number, length: number): string {
  let rest = value;
  let text = '';
  for (let place = 0; place < length; place++) {
    text = ALPHABET.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  invariant(rest === 0, `${value} fits ${length} characters of base32`);
  return text;
}

function encodeBig(value: bigint, length: number): string {
  let rest = value;
  let text = '';
  for (let place = 0; place < length; place++) {
    text = ALPHABET.charAt(Number(rest & 31n)) + text;
    rest >>= 5n;
  }
  invariant(rest === 0n, `${value} fits ${length} characters of base32`);
  return text;
}

function decode(text: string): number {
  let value = 0;
  for (const character of text) value = value * 32 + ALPHABET.indexOf(character);
  return value;
}

/** FNV-1a of 64 bits: names of resources, not enemies. */
function hashOf(name: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(name)) {
    hash ^= BigInt(byte);
    hash = (hash * 0x100000001b3n) & 0xffffffffffffffffn;
  }
  return hash;
}
