import { RequestTimedOut } from '../../src/transactions/errors.ts';
import type {
  Branch,
  BranchRequest,
  FenceAnswer,
  FinishAnswer,
  FinishRequest,
  FoundBranch,
  MarkerAnswer,
  PrepareAnswer,
  ResourceKind,
  ResourceManager,
  SessionAnswer,
  Witness,
  WitnessAnswer,
} from '../../src/transactions/resource-manager.ts';
import { type BranchId, formatBranchId } from '../../src/transactions/transaction-id.ts';
import { FakeServer, type Life, Refusal, type RequestName, type Session } from './fake-server.ts';

/** A database in memory, as the coordinator knows databases: what a real one would do, without one. */
export class FakeDatabase extends FakeServer {
  connect(life: Life): FakeResource {
    return new FakeResource(this, life);
  }
}

/** One process's resource manager on a fake server. */
export class FakeResource implements ResourceManager {
  readonly name: string;
  readonly kind: ResourceKind;
  readonly target;
  readonly server: FakeServer;
  readonly life: Life;
  poolSize: number | undefined;
  sizedTo = 0;
  closedCount = 0;
  cutCount = 0;

  constructor(server: FakeServer, life: Life) {
    this.server = server;
    this.life = life;
    this.name = server.name;
    this.kind = server.kind;
    this.target = { host: server.name, port: 1, database: 'db', user: 'app' };
  }

  sizePool(branchCount: number): void {
    this.sizedTo = branchCount;
  }

  async begin(request: BranchRequest): Promise<FakeBranch> {
    if (this.life.isDead) return this.life.silence;
    const session = this.server.openSession(this.life);
    try {
      await this.server.ask(this.life, 'begin', () => undefined, session);
    } catch (error) {
      if (!session.isHeld) this.server.endSession(session);
      throw error;
    }
    return new FakeBranch(this, request.id, session);
  }

  async close(): Promise<void> {
    this.closedCount++;
  }

  cut(): void {
    this.cutCount++;
  }

  readonly setup = {
    sql: 'create table …',
    hasMarkerTable: () => this.#ask('inspect', () => !this.server.isMarkerTableGone),
    createTables: () =>
      this.#ask('createTables', () => {
        this.server.isMarkerTableGone = false;
      }),
    inspect: () => this.#ask('inspect', () => this.server.inspection),
    examine: async () => undefined,
  };

  readonly recovery = {
    scan: () => this.#ask('scan', () => this.#scan()),
    finish: (request: FinishRequest) => this.#ask('recoveryFinish', () => this.#finish(request)),
    fence: async (transaction: string): Promise<FenceAnswer> => {
      try {
        return await this.#ask('fence', () => this.#fence(transaction));
      } catch (error) {
        return { kind: 'again', answer: (error as Error).message };
      }
    },
    endSession: async (name: string): Promise<SessionAnswer> => {
      try {
        return await this.#ask('endSession', () => this.#endSession(name));
      } catch (error) {
        return { kind: 'again', answer: (error as Error).message };
      }
    },
    deleteMarkers: (ids: readonly string[]) =>
      this.#ask('deleteMarkers', () => {
        for (const id of ids) this.server.markers.delete(id);
      }),
    readMarkers: ({ queueManager, generation, belowEpoch, afterId = '', countMax }: ReadMarkers) =>
      this.#ask('readMarkers', () =>
        [...this.server.markers]
          .filter(
            ([id]) => id.startsWith(`P1.${queueManager}.${generation}.`) && id > afterId && epochOf(id) < belowEpoch,
          )
          .sort(([one], [other]) => (one < other ? -1 : 1))
          .slice(0, countMax)
          .map(([transaction, outcome]) => ({ transaction, outcome })),
      ),
    witness: {
      raise: (wanted: Witness) => this.#ask('raise', () => this.#raise(wanted)),
      read: (queueManager: string) => this.#ask('readWitness', () => this.server.witnesses.get(queueManager)),
      replace: (wanted: Witness) =>
        this.#ask('replace', () => void this.server.witnesses.set(wanted.queueManager, wanted)),
    },
  };

  #ask<Answer>(request: RequestName, act: () => Answer): Promise<Answer> {
    return this.server.ask(this.life, request, act);
  }

  #scan(): readonly FoundBranch[] {
    return [...this.server.prepared].map(([text, { id }]) => ({
      text,
      id,
      ageMs: undefined,
      owner: 'app',
      sql: { commit: `COMMIT PREPARED '${text}'`, rollback: `ROLLBACK PREPARED '${text}'` },
    }));
  }

  #finish({ id, direction, mayHaveFinished }: FinishRequest): FinishAnswer {
    const text = formatBranchId(id);
    const branch = this.server.prepared.get(text);
    if (
      branch !== undefined &&
      this.kind === 'mysql' &&
      branch.session !== undefined &&
      this.server.sessions.has(branch.session.name)
    ) {
      return { kind: 'again', answer: '1397', sentence: `held by connection ${branch.session.name}` };
    }
    if (branch !== undefined) return finishPrepared(this.server, text, direction);
    const wanted = direction === 'commit' ? 'committed' : 'rolledBack';
    const outcome = this.kind === 'postgres' ? this.server.outcomes.get(text) : undefined;
    if (outcome === wanted) return { kind: 'done', proof: `status=${outcome}` };
    if (outcome !== undefined) return { kind: 'heuristic', outcome, answer: `status=${outcome}` };
    if (direction === 'rollback' || (mayHaveFinished && this.kind === 'mysql'))
      return { kind: 'done', proof: 'absent' };
    return { kind: 'heuristic', outcome: 'hazard', answer: 'nobody knows it any more' };
  }

  #fence(transaction: string): FenceAnswer {
    const outcome = this.server.markers.get(transaction);
    if (outcome !== undefined) return { kind: 'found', outcome };
    this.server.markers.set(transaction, 'aborted');
    return { kind: 'inserted' };
  }

  #endSession(name: string): SessionAnswer {
    const session = this.server.sessions.get(name);
    if (session !== undefined) this.server.endSession(session);
    return { kind: 'gone' };
  }

  #raise(wanted: Witness): WitnessAnswer {
    const found = this.server.witnesses.get(wanted.queueManager);
    const isLower = found === undefined || (found.generation === wanted.generation && found.epoch < wanted.epoch);
    const isSame =
      found?.generation === wanted.generation && found.epoch === wanted.epoch && found.opening === wanted.opening;
    if (!isLower && !isSame && found !== undefined) return { kind: 'refused', found };
    this.server.witnesses.set(wanted.queueManager, wanted);
    return { kind: 'raised' };
  }
}

type ReadMarkers = Parameters<ResourceManager['recovery']['readMarkers']>[0];

/** What a handler gets. */
export interface FakeClient {
  insert(row: string): Promise<void>;
  read(): Promise<number>;
}

class FakeBranch implements Branch {
  readonly id: BranchId;
  readonly resource: FakeResource;
  readonly client: FakeClient;
  readonly #session: Session;
  #doom: Error | undefined;

  constructor(resource: FakeResource, id: BranchId, session: Session) {
    this.id = id;
    this.resource = resource;
    this.#session = session;
    this.client = {
      insert: (row) => this.#statement(() => void session.rows.push(row)),
      read: () => this.#statement(() => resource.server.rows.length),
    };
  }

  get session(): string {
    return this.#session.name;
  }

  async end(): Promise<{ readonly hasWritten: boolean }> {
    if (this.#doom !== undefined) throw this.#doom;
    return this.#ask('end', () => ({ hasWritten: this.#session.rows.length > 0 }));
  }

  commitReadOnly(): Promise<void> {
    return this.#ask('commitReadOnly', () => this.#server.endSession(this.#session));
  }

  async commitWithMarker(): Promise<MarkerAnswer> {
    try {
      await this.#ask('commitWithMarker', () => {
        if (this.#server.markers.has(this.id.transaction)) throw new Refusal('the marker');
        this.#server.markers.set(this.id.transaction, 'committed');
        this.#server.rows.push(...this.#session.rows);
        this.#server.endSession(this.#session);
      });
      return { kind: 'committed' };
    } catch (error) {
      if (!(error instanceof Refusal)) return { kind: 'unknown', error: error as Error };
      this.#server.endSession(this.#session);
      return { kind: 'refused', error };
    }
  }

  async prepare(): Promise<PrepareAnswer> {
    try {
      await this.#ask('prepare', () => {
        const text = formatBranchId(this.id);
        this.#server.prepared.set(text, { id: this.id, rows: [...this.#session.rows], session: this.#session });
      });
      return { kind: 'yes' };
    } catch (error) {
      if (!(error instanceof Refusal)) return { kind: 'unknown', error: error as Error };
      this.#server.endSession(this.#session);
      return { kind: 'no', error };
    }
  }

  evidence() {
    return { session: this.session, transactionNumber: formatBranchId(this.id) };
  }

  async finish(direction: 'commit' | 'rollback'): Promise<FinishAnswer> {
    const text = formatBranchId(this.id);
    try {
      const answer = await this.#ask('finish', () => {
        const done = finishPrepared(this.#server, text, direction);
        this.#server.endSession(this.#session);
        return done;
      });
      return answer;
    } catch (error) {
      // R3: a connection in doubt is destroyed; what is on the wire may still arrive.
      if (!this.#session.isHeld) this.#server.endSession(this.#session);
      return { kind: 'again', answer: (error as Error).message };
    }
  }

  async rollback(): Promise<void> {
    if (this.#session.isHeld) return;
    try {
      await this.#ask('rollback', () => this.#server.endSession(this.#session));
    } catch {
      // R2: the connection is destroyed, and the server rolls back.
      this.#server.endSession(this.#session);
    }
  }

  get #server(): FakeServer {
    return this.resource.server;
  }

  #ask<Answer>(request: RequestName, act: () => Answer): Promise<Answer> {
    return this.#server.ask(
      this.resource.life,
      request,
      () => {
        if (!this.#server.sessions.has(this.session))
          throw new RequestTimedOut(this.#server.name, request, 0, 'connection lost');
        return act();
      },
      this.#session,
    );
  }

  async #statement<Answer>(act: () => Answer): Promise<Answer> {
    try {
      return await this.#ask('statement', act);
    } catch (error) {
      this.#doom ??= error as Error;
      throw error;
    }
  }
}

function finishPrepared(server: FakeServer, text: string, direction: 'commit' | 'rollback'): FinishAnswer {
  const branch = server.prepared.get(text);
  if (branch === undefined) return { kind: 'again', answer: 'it is not prepared' };
  server.prepared.delete(text);
  if (direction === 'commit') server.rows.push(...branch.rows);
  server.outcomes.set(text, direction === 'commit' ? 'committed' : 'rolledBack');
  return { kind: 'done', proof: direction === 'commit' ? 'tag' : 'rolled back' };
}

function epochOf(transaction: string): number {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  const field = transaction.split('.')[3] ?? '';
  return [...field].reduce((value, character) => value * 32 + alphabet.indexOf(character), 0);
}
