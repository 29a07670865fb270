import { userInfo } from 'node:os';
import type { VerbContext } from './verb.ts';

/** Who typed the command, for what is kept of it. */
export function whoAsks({ environment }: Pick<VerbContext, 'environment'>): string {
  const name = environment.SUDO_USER || environment.USER || environment.LOGNAME;
  return name || loginName() || 'an operator';
}

/** As the system knows the user of this process; a user without an entry has none. */
function loginName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}
