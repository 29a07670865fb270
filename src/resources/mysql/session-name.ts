/**
 * How a session of a server is written down: its number, the second in which the server started, and the account.
 *
 * Numbers are given again after a restart of the server, so that the number alone could end somebody else's session. The
 * start is `unix_timestamp() - Uptime` in one statement: both are taken from the same reading of the clock, so that the
 * difference is the same for the server's whole life, whatever is done to the clock (measured).
 */
export interface SessionName {
  readonly id: number;
  readonly serverStart: number;
  /** As `current_user()` says it: a login without the right PROCESS sees the sessions of its own account only. */
  readonly account: string;
}

export function formatSessionName({ id, serverStart, account }: SessionName): string {
  return `${id} since ${serverStart} ${account}`;
}

/** Undefined for a text that is not in this form. */
export function parseSessionName(text: string): SessionName | undefined {
  const fields = /^(\d+) since (\d+) (.+)$/.exec(text);
  if (fields === null) return undefined;
  const [, id = '', serverStart = '', account = ''] = fields;
  return { id: Number(id), serverStart: Number(serverStart), account };
}
