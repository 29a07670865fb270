/**
 * How a session of a server is written down: `15 since 1795340783 from 10.1.2.3:35584 as app@%`.
 *
 * Numbers are given again after a restart of the server, so that the number alone could end somebody else's session. A server
 * that starts again within a second is told by where the session comes from. The start is `unix_timestamp() - Uptime` in one statement: both are taken from the same reading of the clock, so that the
 * difference is the same for the server's whole life, whatever is done to the clock (measured).
 */
export interface SessionName {
  readonly id: number;
  readonly serverStart: number;
  /** Address or name and port of the client, as the server's list of sessions shows it; no port by a socket file. */
  readonly host: string;
  /** As `current_user()` says it: a login without the right PROCESS sees the sessions of its own account only. */
  readonly account: string;
}

export function formatSessionName({ id, serverStart, host, account }: SessionName): string {
  return `${id} since ${serverStart} from ${host} as ${account}`;
}

/** Undefined for a text that is not in this form. */
export function parseSessionName(text: string): SessionName | undefined {
  const fields = /^(\d+) since (\d+) from (\S+) as (.+)$/.exec(text);
  if (fields === null) return undefined;
  const [, id = '', serverStart = '', host = '', account = ''] = fields;
  return { id: Number(id), serverStart: Number(serverStart), host, account };
}
