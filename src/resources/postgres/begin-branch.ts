import { isPosthornError, type PosthornError } from '../../message/posthorn-error.ts';
import { ResourceUnavailable } from '../../transactions/errors.ts';
import type { Branch, BranchRequest } from '../../transactions/resource-manager.ts';
import { connectionProblem } from '../shared/connection-problem.ts';
import { BranchConnection } from './branch-connection.ts';
import { type BranchDoors, PostgresBranch } from './postgres-branch.ts';
import { shownTarget } from './postgres-connection.ts';

/**
 * Takes a connection for a branch, whose transaction will carry the branch's id from its begin.
 *
 * On one that the server has not answered on for a while BEGIN is asked for at once, so that a server that is gone is found out
 * here, and not by the handler's first statement. On any other BEGIN goes with that statement, or before it where the
 * connection has become such a one by then.
 *
 * @throws {PosthornError} RESOURCE_UNAVAILABLE with what the server or the network said
 */
export async function beginBranch(request: BranchRequest, doors: BranchDoors): Promise<Branch> {
  let connection: BranchConnection;
  try {
    connection = await BranchConnection.take(request, doors);
  } catch (error) {
    throw unavailable(error, doors);
  }
  const branch = new PostgresBranch(request, connection, doors);
  if (!connection.isStale) return branch;
  try {
    await branch.begin();
    return branch;
  } catch (error) {
    await branch.rollback();
    throw unavailable(error, doors);
  }
}

function unavailable(error: unknown, { settings }: BranchDoors): PosthornError {
  // That a driver is missing, or no connection came free, is told already.
  if (isPosthornError(error) && error.code !== 'REQUEST_TIMED_OUT') return error;
  const where = shownTarget(settings.target);
  return new ResourceUnavailable(settings.name, where, connectionProblem(error), { cause: error });
}
