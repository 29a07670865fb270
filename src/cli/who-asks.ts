import type { VerbContext } from './verb.ts';

/** Who typed the command, for what is kept of it. */
export function whoAsks({ environment }: Pick<VerbContext, 'environment'>): string {
  const name = environment.SUDO_USER || environment.USER || environment.LOGNAME;
  return name === undefined || name === '' ? 'an operator' : name;
}
