import { readSubscriptionKey } from '../../operations/subscription-key.ts';
import { formatTable } from '../table.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext, withOperations } from '../verb.ts';

/** `posthorn subscriptions`: which queue gets which event. */
export function listSubscriptions(context: VerbContext, options: CommonOptions): Promise<ExitCode> {
  return withOperations(context, options, async (operations) => {
    const { terminal } = context;
    const rows: { event: string; queue: string }[] = [];
    let afterKey: string | undefined;
    for (let isLast = false; !isLast; ) {
      const page = await operations.readSubscriptions({ afterKey });
      for (const { key } of page.subscriptions) {
        const { type, queue } = readSubscriptionKey(key);
        rows.push({ event: type, queue });
      }
      afterKey = page.subscriptions.at(-1)?.key;
      isLast = page.isLast || afterKey === undefined;
    }
    if (options.json === true) for (const row of rows) printJson(terminal, row);
    else if (rows.length === 0) terminal.print('No subscriptions.');
    else
      terminal.print(
        formatTable(
          terminal,
          COLUMNS,
          rows.map(({ event, queue }) => [event, queue]),
        ),
      );
    return 0;
  });
}

const COLUMNS = [
  { title: 'EVENT', share: 2 },
  { title: 'QUEUE', share: 1 },
] as const;
