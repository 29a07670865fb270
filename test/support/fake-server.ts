import { RequestTimedOut, ResourceUnavailable } from '../../src/transactions/errors.ts';
import type { ResourceInspection, ResourceKind, Witness } from '../../src/transactions/resource-manager.ts';
import { type BranchId, parseBranchId } from '../../src/transactions/transaction-id.ts';

/**
 * A database server in memory: committed rows, prepared branches, marker and witness tables, which outlive the processes that
 * use it. What a process knows of it stands in fake-database.ts.
 *
 *     session:  open ──commit, rollback──▶ over
 *                 │──prepare──▶ prepared: the branch outlives its session
 *                 └──ended by endSession, by its process's death, by a broken connection──▶ rolled back
 *
 * Faults are told beforehand for the next request of a name: its answer can be lost before or after it was carried out, it
 * can be refused, and it can be held back on the wire while the client gives up, to be carried out when the test lets it go
 * unless its session was ended.
 */
export class FakeServer {
  readonly name: string;
  readonly kind: ResourceKind;
  /** In the order of their commits; the same text twice is the same work done twice. */
  readonly rows: string[] = [];
  readonly markers = new Map<string, 'committed' | 'aborted'>();
  readonly witnesses = new Map<string, Witness>();
  readonly prepared = new Map<string, PreparedBranch>();
  /** What PostgreSQL's pg_xact_status tells; a server of kind mysql forgets. */
  readonly outcomes = new Map<string, 'committed' | 'rolledBack'>();
  readonly sessions = new Map<string, Session>();
  /** Abort rows of fences that arrived after everybody had stopped waiting: harmless, and nobody knows of them. */
  readonly lateAborts = new Set<string>();
  /** Every request that reached the server, by name. */
  readonly log: string[] = [];
  inspection: ResourceInspection = {
    server: 'Fake 1',
    twoPhaseObstacle: undefined,
    markerObstacle: undefined,
    preparedMax: undefined,
  };
  isDown = false;
  isMarkerTableGone = false;
  /** Requests that it takes and never answers; all of them: a server whose processes are stopped. */
  isSilentTo: (request: RequestName) => boolean = () => false;
  /** Called before each request of a living process: a test may kill the process in it. */
  onRequest: (name: string) => void = () => undefined;
  readonly #faults: { readonly request: RequestName; readonly fault: Fault }[] = [];
  readonly #held: (() => void)[] = [];
  #sessionCount = 0;

  constructor(name: string, kind: ResourceKind = 'postgres') {
    this.name = name;
    this.kind = kind;
  }

  /** The next request of this name meets the fault; several wait in order. */
  fail(request: RequestName, fault: Fault): void {
    this.#faults.push({ request, fault });
  }

  get heldCount(): number {
    return this.#held.length;
  }

  /** What was held back on the wire arrives. */
  letGo(): void {
    for (const act of this.#held.splice(0)) act();
  }

  forgetFaults(): void {
    this.#faults.length = 0;
  }

  /** A process is dead: its connections break. What was held back on the wire still arrives, unless `closesHeld`. */
  processDied(life: Life, options: { readonly closesHeld?: boolean } = {}): void {
    for (const session of this.sessions.values()) {
      if (session.life === life && (options.closesHeld === true || !session.isHeld)) this.endSession(session);
    }
  }

  /** As a restart of the server does: prepared branches stay, everything else is rolled back. */
  restart(): void {
    for (const session of [...this.sessions.values()]) this.endSession(session);
    this.#held.length = 0;
  }

  /** Somebody prepares a branch by hand, or a life that nobody remembers did. */
  plant(text: string, rows: readonly string[] = []): void {
    this.prepared.set(text, { id: parseBranchId(text), rows, session: undefined });
  }

  openSession(life: Life): Session {
    const session = { name: `${this.name}-${++this.#sessionCount}`, life, rows: [], isHeld: false };
    this.sessions.set(session.name, session);
    return session;
  }

  endSession(session: Session): void {
    session.rows.length = 0;
    this.sessions.delete(session.name);
  }

  /**
   * Carries a request out, or what its fault says instead. A dead process hears nothing any more.
   *
   * @throws {ResourceUnavailable} the server is down {RequestTimedOut} the answer was lost
   */
  async ask<Answer>(life: Life, request: RequestName, act: () => Answer, session?: Session): Promise<Answer> {
    if (life.isDead) return life.silence;
    this.onRequest(request);
    await Promise.resolve();
    if (life.isDead || this.isSilentTo(request)) return life.silence;
    if (this.isDown) {
      if (session !== undefined) this.endSession(session);
      throw new ResourceUnavailable(this.name, `${this.name}:1/db`, 'connect ECONNREFUSED');
    }
    const fault = this.#takeFault(request);
    if (fault === 'heldBack') this.#hold(request, act, session);
    const answer = fault === undefined || fault === 'lostAfter' ? this.#carryOut(request, act) : undefined;
    if (session !== undefined && (fault === 'lostBefore' || fault === 'lostAfter')) this.endSession(session);
    await Promise.resolve();
    if (life.isDead) return life.silence;
    if (fault === undefined) return answer as Answer;
    if (fault === 'refused') throw new Refusal(request);
    throw new RequestTimedOut(this.name, request, 1_000, 'the answer was lost');
  }

  #carryOut<Answer>(request: RequestName, act: () => Answer): Answer {
    this.log.push(request);
    return act();
  }

  /** The client gives up; the server's session lives on until the request has arrived. */
  #hold(request: RequestName, act: () => unknown, session: Session | undefined): void {
    if (session !== undefined) session.isHeld = true;
    this.#held.push(() => {
      if (session !== undefined && !this.sessions.has(session.name)) return;
      if (session !== undefined) session.isHeld = false;
      const before = new Set(this.markers.keys());
      try {
        act();
        for (const id of this.markers.keys()) if (request === 'fence' && !before.has(id)) this.lateAborts.add(id);
      } catch {
        // The server refused what arrived late; nobody listens any more.
      }
      if (session !== undefined) this.endSession(session);
    });
  }

  #takeFault(request: RequestName): Fault | undefined {
    const index = this.#faults.findIndex((each) => each.request === request);
    return index < 0 ? undefined : this.#faults.splice(index, 1)[0]?.fault;
  }
}

/** A process, as databases know it. */
export class Life {
  #isDead = false;
  readonly #death = Promise.withResolvers<void>();
  readonly silence: Promise<never> = new Promise(() => undefined);

  get isDead(): boolean {
    return this.#isDead;
  }

  get whenDead(): Promise<void> {
    return this.#death.promise;
  }

  die(): void {
    this.#isDead = true;
    this.#death.resolve();
  }
}

export type RequestName =
  | 'begin'
  | 'statement'
  | 'end'
  | 'commitReadOnly'
  | 'commitWithMarker'
  | 'prepare'
  | 'finish'
  | 'rollback'
  | 'scan'
  | 'recoveryFinish'
  | 'fence'
  | 'endSession'
  | 'deleteMarkers'
  | 'readMarkers'
  | 'raise'
  | 'readWitness'
  | 'replace'
  | 'inspect'
  | 'createTables';

export type Fault = 'lostBefore' | 'lostAfter' | 'refused' | 'heldBack';

export interface Session {
  readonly name: string;
  readonly life: Life;
  readonly rows: string[];
  isHeld: boolean;
}

export interface PreparedBranch {
  readonly id: BranchId | undefined;
  readonly rows: readonly string[];
  /** Who prepared it, while that is connected. */
  readonly session: Session | undefined;
}

/** The server said no: a deadlock, a constraint, a full table of prepared transactions. */
export class Refusal extends Error {
  constructor(request: string) {
    super(`${request} was refused by the server (40001)`);
  }
}
