import { ResourceUnavailable } from '../../transactions/errors.ts';
import { connectionProblem } from './connection-problem.ts';

/** RESOURCE_UNAVAILABLE of a transaction whose connection broke while no statement of its handler was running. */
export function connectionLost(resource: string, where: string, cause?: Error): ResourceUnavailable {
  const problem = cause === undefined ? '' : ` (${connectionProblem(cause)})`;
  return new ResourceUnavailable(
    resource,
    where,
    `the connection was lost before its transaction had ended${problem}`,
    {
      cause,
      mend: "The server's log says why: a restart, an administrator who ended the session, or a limit on how long it may lie idle.",
    },
  );
}
