import type { DeclaredQueue } from '../../operations/operations.ts';
import { UsageError } from '../errors.ts';
import { countOf, formatBytes } from '../format.ts';
import { parseWhole } from '../values.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext, withOperations } from '../verb.ts';

export interface CreateQueueOptions extends CommonOptions {
  readonly journal?: boolean;
  readonly quotaMessages?: string;
  readonly quotaBytes?: string;
  readonly acceptFrom?: string;
}

/** `posthorn queues create NAME`: makes a queue, or changes the settings that are given of one that is there. */
export function createQueue(context: VerbContext, queue: string, options: CreateQueueOptions): Promise<ExitCode> {
  const settings = {
    journal: options.journal,
    quotaMessages: readQuota('--quota-messages', options.quotaMessages),
    quotaBytes: readQuota('--quota-bytes', options.quotaBytes),
    acceptFrom: readMachines(options.acceptFrom),
  };
  return withOperations(context, options, async (operations) => {
    const made = await operations.declareQueue({ queue, settings });
    if (options.json === true) {
      printJson(context.terminal, made);
      return 0;
    }
    const isChanged = Object.values(settings).some((value) => value !== undefined);
    const verb = made.wasThere ? (isChanged ? 'is changed' : 'is there already') : 'is made';
    context.terminal.print(`Queue '${made.queue}' ${verb}: ${describeSettings(made.settings)}.`);
    return 0;
  });
}

function readQuota(option: string, text: string | undefined): number | null | undefined {
  if (text === undefined) return undefined;
  return text === NONE ? null : parseWhole(option, text, 1, Number.MAX_SAFE_INTEGER);
}

/** `all` for everybody, `none` for nobody but this machine. */
function readMachines(text: string | undefined): readonly string[] | null | undefined {
  if (text === undefined) return undefined;
  if (text === 'all') return null;
  if (text === NONE) return [];
  const machines = text.split(',').map((machine) => machine.trim());
  if (machines.includes('')) {
    throw new UsageError(`--accept-from '${text}' names an empty machine.`, "Write 'alpha,beta', 'all' or 'none'.");
  }
  return machines;
}

const NONE = 'none';

function describeSettings({ journal, quotaMessages, quotaBytes, acceptFrom }: DeclaredQueue['settings']): string {
  const from = acceptFrom === undefined ? 'every machine' : acceptFrom.length === 0 ? 'no other machine' : undefined;
  return [
    quotaMessages === undefined ? 'any number of messages' : `at most ${countOf(quotaMessages, 'message')}`,
    ...(quotaBytes === undefined ? [] : [`at most ${formatBytes(quotaBytes)}`]),
    journal === true ? 'with a journal' : 'no journal',
    `takes from ${from ?? acceptFrom?.join(', ')}`,
  ].join(', ');
}
