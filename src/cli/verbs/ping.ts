import { formatPing, isWell, pingJson } from '../ping-view.ts';
import { checkMachineName } from '../values.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext, withOperations } from '../verb.ts';

/**
 * `posthorn ping MACHINE`: whether messages get there and replies get back, step by step. Exit code 1 when something on
 * either way failed.
 */
export function ping(context: VerbContext, given: string, options: CommonOptions): Promise<ExitCode> {
  const { terminal } = context;
  // A destination is as good as its machine.
  const machine = given.slice(given.indexOf('@') + 1);
  checkMachineName(machine);
  return withOperations(context, options, async (operations) => {
    if (terminal.showsProgress && options.json !== true) terminal.note(`Looking for ${machine}, 20 s at most…`);
    const report = await operations.ping({ machine });
    if (options.json === true) printJson(terminal, pingJson(report));
    else terminal.print(formatPing(terminal, report));
    return isWell(report) ? 0 : 1;
  });
}
