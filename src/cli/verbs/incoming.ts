import { formatIncoming, incomingChanges, incomingJson, isDeaf } from '../incoming-view.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext, withOperations } from '../verb.ts';
import { watch } from '../watch.ts';

export interface IncomingOptions extends CommonOptions {
  readonly watch?: boolean;
}

/**
 * `posthorn incoming`: where this machine takes connections, who is connected, and who was refused and why. Exit code 1 when
 * a listener does not listen, or no queue manager runs.
 */
export function showIncoming(context: VerbContext, options: IncomingOptions): Promise<ExitCode> {
  const { terminal, io } = context;
  return withOperations(context, options, async (operations) => {
    if (options.watch === true) {
      return await watch(context, options, {
        read: () => operations.describeIncoming(),
        screen: (status) => formatIncoming(terminal, status, io.clock.wallNowMs()),
        entries: (status) => incomingChanges(status, io.clock.wallNowMs()),
      });
    }
    const status = await operations.describeIncoming();
    if (options.json === true) printJson(terminal, incomingJson(status));
    else terminal.print(formatIncoming(terminal, status, io.clock.wallNowMs()));
    return isDeaf(status) ? 1 : 0;
  });
}
