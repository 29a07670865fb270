/** A server session: its process and when that began, so that a process id used again is not taken for it. */
export interface PostgresSession {
  readonly pid: number;
  /** Unix time in microseconds, as text. */
  readonly startedMicroseconds: string;
}

/** `4711.1764000000000000` */
export function formatSession({ pid, startedMicroseconds }: PostgresSession): string {
  return `${pid}.${startedMicroseconds}`;
}

export function parseSession(text: string): PostgresSession | undefined {
  const [, pid, startedMicroseconds] = /^(\d{1,10})\.(\d{1,20})$/.exec(text) ?? [];
  return pid === undefined || startedMicroseconds === undefined ? undefined : { pid: Number(pid), startedMicroseconds };
}
