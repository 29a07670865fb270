import type { BranchId } from './transaction-id.ts';

/**
 * The seam between the coordinator and a database. `resources/postgres/` and `resources/mysql/` implement it.
 *
 * Obligations (the conformance suite tests them by number, against real servers)
 * R1  An answer is a closed word. `refused`, `no` and `done` are said only of what is proven; everything else, a lost
 *     connection, a deadline, an error nobody has listed, is `unknown` or `again`, which never ends a branch.
 * R2  Nothing waits for ever: every request has a deadline; past it the connection is destroyed.
 * R3  A branch keeps its connection from the answer to its begin until `rollback`, a commit or `finish` has answered; then it
 *     is back in the pool, or destroyed when there is any doubt about it.
 * R4  What is done by hand in a branch (COMMIT, ROLLBACK, BEGIN, XA, DDL where it would commit) is refused before it is
 *     sent, or dooms the branch: it can never make part of the work durable.
 * R5  A statement that fails dooms the branch, unless the resource was made to leave that to the server; a statement that
 *     still runs when the handlers are done dooms it too.
 * R6  Recovery has a connection of its own: a pool that is used up never keeps a branch from being finished.
 * R7  `close` ends idle connections and lets those in use end; what comes later opens new ones. `cut` ends all of them at
 *     once, and what waits for one is refused.
 */
export interface ResourceManager {
  /** As its user named it, and as records keep it: it stays the same over restarts. */
  readonly name: string;
  readonly kind: ResourceKind;
  readonly target: ResourceTarget;
  /** How many branches it can have at a time; undefined: as many as it is told with `sizePool`. */
  readonly poolSize: number | undefined;
  /** Makes room for this many branches at a time; called before the first, and again when more endpoints use it. */
  sizePool(branchCount: number): void;
  /**
   * Begins a branch on a connection of its own.
   *
   * @throws {PosthornError} RESOURCE_UNAVAILABLE with what the server or the network said
   */
  begin(request: BranchRequest): Promise<Branch>;
  readonly recovery: ResourceRecovery;
  readonly setup: ResourceSetup;
  close(): Promise<void>;
  /** The stop's time is over: ends every connection without a word to the server, so that `close` has nothing to wait for. */
  cut(): void;
}

export type ResourceKind = 'postgres' | 'mysql';

/** Where the database is, as its user wrote it: names, never addresses, never a password. */
export interface ResourceTarget {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable';

export interface BranchRequest {
  readonly id: BranchId;
  readonly isolationLevel: IsolationLevel;
  /** Aborted when the transaction times out or its endpoint stops; a request that waits for a connection then gives up. */
  signal?(): AbortSignal;
  /** The longest that the session may lie idle in the transaction: past it the server ends it by itself. */
  readonly idleMsMax: number;
}

/**
 * One database's part of a transaction.
 *
 *     working ──end()──▶ ended ──commitReadOnly()─────────────▶ over
 *        │                 ├──commitWithMarker()──────────────▶ over
 *        │                 └──prepare()──yes──▶ prepared ──finish()──▶ over
 *        │                       └──no, unknown──▶ (rollback)
 *        └──rollback()──▶ over          from any state but over
 */
export interface Branch {
  readonly id: BranchId;
  readonly resource: ResourceManager;
  /** The driver's own client, guarded (R4, R5). Refuses everything once the branch has ended. */
  readonly client: unknown;
  /** Names the server session, so that recovery can tell whether it still lives and end it; its form is the resource's own. */
  readonly session: string;
  /**
   * The handlers are done: nothing more is accepted. Tells whether anything was written; a branch that has not needs no
   * decision.
   *
   * @throws what doomed the branch, or STATEMENT_STILL_RUNNING; then it is to be rolled back
   */
  end(): Promise<{ readonly hasWritten: boolean }>;
  /** @throws when the server refuses, as a serializable reader may be; nothing was written, so nothing is in doubt */
  commitReadOnly(): Promise<void>;
  /**
   * Inserts the marker row (transaction id, 'c') as the last statement and commits. A marker that cannot be inserted
   * commits nothing.
   */
  commitWithMarker(): Promise<MarkerAnswer>;
  prepare(): Promise<PrepareAnswer>;
  /** After `prepare` said yes: what recovery will need to prove an outcome. */
  evidence(): BranchEvidence;
  /** Ends the prepared branch on the connection that prepared it. After any answer but `done` that connection is destroyed. */
  finish(direction: Direction): Promise<FinishAnswer>;
  /** Never rejects: where the server does not answer in time the connection is destroyed, and the server rolls back. */
  rollback(): Promise<void>;
}

export type Direction = 'commit' | 'rollback';

/** What is kept with a decision about one branch. */
export interface BranchEvidence {
  readonly session: string;
  /** PostgreSQL's xid8, which still tells the outcome when the prepared transaction is gone. */
  readonly transactionNumber?: string;
}

export type MarkerAnswer =
  | { readonly kind: 'committed' }
  /** Proven: nothing of the branch is there, nor will be. */
  | { readonly kind: 'refused'; readonly error: Error }
  | { readonly kind: 'unknown'; readonly error: Error };

export type PrepareAnswer =
  | { readonly kind: 'yes' }
  /** Proven: it is rolled back, there is nothing to roll back any more. */
  | { readonly kind: 'no'; readonly error: Error }
  /** It may become prepared even now. */
  | { readonly kind: 'unknown'; readonly error: Error };

export type FinishAnswer =
  | { readonly kind: 'done'; readonly proof: string }
  /** The database proves another outcome than the one decided, or can prove none any more. */
  | { readonly kind: 'heuristic'; readonly outcome: HeuristicOutcome; readonly answer: string }
  /** Nothing is proven; ask again. `sentence` is for operators: who holds the branch, who may finish it. */
  | { readonly kind: 'again'; readonly answer: string; readonly sentence?: string };

/** As X/Open has it: HEURRB, HEURCOM, HEURHAZ. */
export type HeuristicOutcome = 'rolledBack' | 'committed' | 'hazard';

/** Recovery's side of a database, on connections of its own. Every call may be repeated (G-X7). */
export interface ResourceRecovery {
  /** All prepared branches of this database, ours and others'. */
  scan(): Promise<readonly FoundBranch[]>;
  /**
   * Finishes a prepared branch. `isListed` is what a scan since the owner's end said; `mayHaveFinished`: an attempt of ours to
   * commit it may have been carried out.
   */
  finish(request: FinishRequest): Promise<FinishAnswer>;
  /** Settles a staged transaction for ever: inserts (transaction id, 'a'), or reads what stands there. */
  fence(transaction: string): Promise<FenceAnswer>;
  /** Ends the session if it is there. `gone`: proven, nothing of it can arrive any more. */
  endSession(session: string): Promise<SessionAnswer>;
  /** Deletes marker rows that nothing asks for any more. */
  deleteMarkers(transactions: readonly string[]): Promise<void>;
  /** Ids of the marker rows of a queue manager and generation below an epoch, at most `countMax`. */
  readMarkers(request: ReadMarkersRequest): Promise<readonly MarkerRow[]>;
  readonly witness: ResourceWitness;
}

export interface FoundBranch {
  /** As the server shows it, for people. */
  readonly text: string;
  /** Undefined: not ours in form, so foreign. */
  readonly id: BranchId | undefined;
  /** Milliseconds since it was prepared, where the server tells. */
  readonly ageMs: number | undefined;
  /** Who prepared it, where the server tells. */
  readonly owner: string | undefined;
  /** What a person would type to finish it. */
  readonly sql: { readonly commit: string; readonly rollback: string };
}

export interface FinishRequest {
  readonly id: BranchId;
  readonly direction: Direction;
  /** Undefined for a branch that only a scan knows. */
  readonly evidence: BranchEvidence | undefined;
  readonly mayHaveFinished: boolean;
}

export type FenceAnswer =
  /** (id, 'a') stands there now, and did not before: the transaction can never commit. */
  | { readonly kind: 'inserted' }
  | { readonly kind: 'found'; readonly outcome: 'committed' | 'aborted' }
  /** A lock, a timeout, a lost answer: no answer. */
  | { readonly kind: 'again'; readonly answer: string };

export type SessionAnswer =
  | { readonly kind: 'gone' }
  | { readonly kind: 'alive'; readonly sentence: string }
  | { readonly kind: 'again'; readonly answer: string };

export interface ReadMarkersRequest {
  readonly queueManager: string;
  readonly generation: string;
  readonly belowEpoch: number;
  /** Exclusive, in the order of ids. */
  readonly afterId?: string;
  readonly countMax: number;
}

export interface MarkerRow {
  readonly transaction: string;
  readonly outcome: 'committed' | 'aborted';
}

/** The witness row (DESIGN decision 7): one per queue manager; it only ever rises. */
export interface ResourceWitness {
  /**
   * Writes `wanted` where there is no row, or one of the same generation with a lower epoch, or the very same. Anything else
   * is left as it is and returned: our store went back in time, or was copied.
   */
  raise(wanted: Witness): Promise<WitnessAnswer>;
  read(queueManager: string): Promise<Witness | undefined>;
  /** An operator accepts this store as it is: writes `wanted` whatever stands there. */
  replace(wanted: Witness): Promise<void>;
}

export interface Witness {
  readonly queueManager: string;
  readonly generation: string;
  readonly epoch: number;
  /** Names one opening: two copies of a store that reach the same epoch differ in it. */
  readonly opening: string;
}

export type WitnessAnswer = { readonly kind: 'raised' } | { readonly kind: 'refused'; readonly found: Witness };

/** What is to be there before the first branch. */
export interface ResourceSetup {
  /** The statements that make the marker table and the witness table; for people, and for `createTables`. */
  readonly sql: string;
  /** Whether the marker table is there. */
  hasMarkerTable(): Promise<boolean>;
  /** Makes the tables where they are missing. @throws {PosthornError} RESOURCE_TABLES_MISSING with the SQL, when the rights do not suffice */
  createTables(): Promise<void>;
  /** What the server is and can do. */
  inspect(): Promise<ResourceInspection>;
  /** `posthorn doctor`: every step from the name to a real prepare and commit, each told as soon as it is known. */
  examine(request: ExamineRequest): Promise<void>;
}

export interface ResourceInspection {
  /** For people: 'PostgreSQL 15.18'. */
  readonly server: string;
  /** Undefined when it can take part in two-phase commit; else why not, and the setting to change. */
  readonly twoPhaseObstacle: Obstacle | undefined;
  /** The same for the marker row. */
  readonly markerObstacle: Obstacle | undefined;
  /** How many branches the server keeps prepared at a time; undefined: no limit. */
  readonly preparedMax: number | undefined;
}

export interface Obstacle {
  readonly what: string;
  readonly mend: string;
}

export interface ExamineRequest {
  /** Tables whose engine is to be transactional. */
  readonly tables: readonly string[];
  /** Branches at a time that the endpoints may have prepared. */
  readonly branchCount: number;
  tell(finding: Finding): void;
}

/** One step of an examination, in the words of `ping`. */
export interface Finding {
  readonly step: string;
  readonly outcome: 'ok' | 'failed' | 'warning' | 'skipped';
  readonly text: string;
  readonly mend?: string;
  readonly tookMs?: number;
}
