import { ResourceUnavailable } from '../../transactions/errors.ts';
import type { Branch, BranchRequest } from '../../transactions/resource-manager.ts';
import { connectionProblem } from '../shared/connection-problem.ts';
import { sqlState } from './answers.ts';
import { type BranchDoors, PostgresBranch } from './postgres-branch.ts';
import { type PostgresConnection, shownTarget } from './postgres-connection.ts';

/**
 * Takes a connection of the pool and begins a transaction with the branch's id on it.
 *
 * A connection that was used before may have died since: then nothing was begun, the idle ones, which died with it, are
 * closed, and a new one is tried once.
 *
 * @throws {PosthornError} RESOURCE_UNAVAILABLE with what the server or the network said
 */
export async function beginBranch(request: BranchRequest, doors: BranchDoors): Promise<Branch> {
  for (;;) {
    const connection = await doors.pool.acquire({ timeoutMs: WAIT_MS, signal: request.signal });
    const { wasUsed } = connection;
    try {
      await begin(connection, request, doors);
      return new PostgresBranch(request, connection, doors);
    } catch (error) {
      doors.pool.discard(connection);
      const isDeadFromBefore = wasUsed && sqlState(error) === undefined;
      if (!isDeadFromBefore) throw unavailable(error, doors);
      await doors.pool.closeIdle();
    }
  }
}

/** How long to wait for one of the pool: endpoints with more branches than that are refused before. */
const WAIT_MS = 30_000;
const BEGIN_MS = 5000;
/** So much longer than the transaction's own limit the server waits for a statement of ours. */
const IDLE_MARGIN_MS = 30_000;

async function begin(connection: PostgresConnection, request: BranchRequest, doors: BranchDoors): Promise<void> {
  const { session } = connection;
  const ask = (sql: string): Promise<unknown> => {
    const watched = { session, what: 'begin', timeoutMs: BEGIN_MS, bytesRead: () => connection.bytesRead };
    return doors.watch.guard({ ...watched, cut: () => connection.destroy() }, connection.run(sql));
  };
  connection.wasUsed = true;
  doors.tables.found(connection.server.markerSchema);
  const { id, idleMsMax, isolationLevel } = request;
  if (connection.idleMsMax !== idleMsMax) {
    const timeoutMs = Math.min(Math.round(idleMsMax) + IDLE_MARGIN_MS, 2 ** 31 - 1);
    await ask(`set idle_in_transaction_session_timeout = ${timeoutMs}`);
    connection.idleMsMax = idleMsMax;
  }
  await ask(`begin isolation level ${isolationLevel} read write; set local posthorn.transaction = '${id.transaction}'`);
}

function unavailable(error: unknown, { settings }: BranchDoors): ResourceUnavailable {
  const where = shownTarget(settings.target);
  return new ResourceUnavailable(settings.name, where, connectionProblem(error), { cause: error });
}
