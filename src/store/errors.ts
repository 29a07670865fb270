import { PosthornError } from '../message/posthorn-error.ts';

/**
 * An error of the store. `values` are the arguments of its constructor: they can cross to another thread, where the
 * same error is made from them again (error-wire.ts).
 */
export abstract class StoreError extends PosthornError {
  abstract readonly values: readonly StoreErrorValue[];
}

export type StoreErrorValue = string | number | undefined;

/** The disk has no room for a unit that would grow the store. Nothing of it was stored; it may be tried again later. */
export class StoreFull extends StoreError {
  readonly code = 'STORE_FULL';
  readonly values: readonly [number];

  constructor(freeBytes: number) {
    super(
      `The disk of the store is full (${freeBytes} bytes free): nothing was stored. Messages that wait are still handled and removed.`,
      'Free space on that file system or let receivers drain the queues; sending resumes by itself.',
    );
    this.values = [freeBytes];
  }
}

/** The disk failed while a unit was being written, and the unit is not in the store. It may be tried again. */
export class StoreSyncFailed extends StoreError {
  readonly code = 'STORE_SYNC_FAILED';
  readonly values: readonly [string];

  constructor(why: string) {
    super(
      `The disk failed to write a unit of work (${why}); the store was reopened and the unit is not in it.`,
      'It may be tried again. Check the disk and the system log: a disk that fails once often fails again.',
    );
    this.values = [why];
  }
}

/** Whether a unit of work is in the store cannot be told now. It must be treated neither as done nor as not done. */
export class OutcomeUnknown extends StoreError {
  readonly code = 'OUTCOME_UNKNOWN';
  readonly values: readonly [string, string];

  constructor(
    why: string,
    mend = 'Open the directory again: what is in it then is the truth. Do not repeat the work before.',
  ) {
    super(`Whether this unit of work took effect is unknown: ${why}.`, mend);
    this.values = [why, mend];
  }
}

/**
 * A unit of work contradicts what is stored, so nothing of it was: it takes away a message that is not there, uses a
 * position twice, or names an unknown place. Never retried: applying it could handle a message twice.
 */
export class UnitContradictsStore extends StoreError {
  readonly code = 'UNIT_CONTRADICTS_STORE';
  readonly values: readonly [string];

  constructor(why: string) {
    super(
      `A unit of work was refused because it contradicts what is stored: ${why}.`,
      'This is a defect in Posthorn: please report it with this text and the stack.',
    );
    this.values = [why];
  }
}

/** The store stopped, because its disk failed or it is damaged. Nothing is taken any more. */
export class StoreFailed extends StoreError {
  readonly code = 'STORE_FAILED';
  readonly values: readonly [string];

  constructor(why: string) {
    super(`The store has stopped: ${why}.`, 'Repair the cause and start the process again.');
    this.values = [why];
  }
}

/** The disk failed while the store was being read. Nothing was changed. */
export class StoreReadFailed extends StoreError {
  readonly code = 'STORE_READ_FAILED';
  readonly values: readonly [string];

  constructor(why: string) {
    super(`The disk failed while the store was being read (${why}).`, 'Check the disk and the system log.');
    this.values = [why];
  }
}

/** The store was used after it was closed. Nothing was stored. */
export class StoreClosed extends StoreError {
  readonly code = 'STORE_CLOSED';
  readonly values: readonly [] = [];

  constructor() {
    super('The store is closed.', 'Open the queue manager again; hand nothing over after its stop.');
  }
}

/** Another process, or another queue manager of this process, owns the directory. It was not touched. */
export class StoreOwned extends StoreError {
  readonly code = 'STORE_OWNED';
  readonly values: readonly [string, string, string, StoreOwnerKind];
  /** What the owner is: a CLI verb soon ends, and one that is `starting` soon tells its name. */
  readonly ownerIs: StoreOwnerKind;

  constructor(directory: string, owner: string, mend: string, ownerIs: StoreOwnerKind) {
    super(`The directory '${directory}' is in use by ${owner}.`, mend);
    this.ownerIs = ownerIs;
    this.values = [directory, owner, mend, ownerIs];
  }
}

export type StoreOwnerKind = 'queue-manager' | 'cli' | 'starting';

/** The directory holds something else under the name of the store's database. Nothing was changed. */
export class NotAStore extends StoreError {
  readonly code = 'NOT_A_STORE';
  readonly values: readonly [string, number | undefined];

  constructor(databasePath: string, applicationId: number | undefined) {
    super(
      applicationId === undefined
        ? `'${databasePath}' is not a database.`
        : `'${databasePath}' is a database of another program (application id ${applicationId}).`,
      'Name another directory, or move that file away. Nothing was changed.',
    );
    this.values = [databasePath, applicationId];
  }
}

/** A newer Posthorn made this directory. Nothing was changed. */
export class NewerStore extends StoreError {
  readonly code = 'NEWER_STORE';
  readonly values: readonly [string, number, number];

  constructor(databasePath: string, foundVersion: number, knownVersion: number) {
    super(
      `'${databasePath}' has store version ${foundVersion}; this Posthorn knows versions up to ${knownVersion}.`,
      'Start the newer Posthorn on it. Nothing was changed.',
    );
    this.values = [databasePath, foundVersion, knownVersion];
  }
}

/** The database is damaged beyond single messages, or its file is gone. It is not taken for empty, and nothing was changed. */
export class StoreDamaged extends StoreError {
  readonly code = 'STORE_DAMAGED';
  readonly values: readonly [string, string];

  constructor(directory: string, why: string) {
    super(
      `The store in '${directory}' is damaged: ${why}.`,
      "Copy the directory, then save what is readable with 'sqlite3 posthorn.db .recover', or restore a backup. To begin anew with an empty store, move the whole directory away.",
    );
    this.values = [directory, why];
  }
}

/** Node.js is older than what Posthorn needs. Nothing was opened. */
export class NodeTooOld extends PosthornError {
  readonly code = 'NODE_TOO_OLD';

  constructor(version: string, majorMin: number) {
    super(
      `This is Node.js ${version}, and Posthorn needs Node.js ${majorMin} or newer.`,
      `Install it from https://nodejs.org or with your version manager (for example: nvm install ${majorMin}), and run this again.`,
    );
  }
}

/** The directory cannot be made, read or written. Nothing was created. */
export class StoreUnreachable extends StoreError {
  readonly code = 'STORE_UNREACHABLE';
  readonly values: readonly [string, string];

  constructor(directory: string, why: string) {
    super(
      `The directory '${directory}' cannot be used: ${why}.`,
      'Name a directory that this user may write to, with all its files, on a file system that is mounted for writing.',
    );
    this.values = [directory, why];
  }
}
