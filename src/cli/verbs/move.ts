import { type FilterOptions, filterOf } from '../filter-options.ts';
import { countOf } from '../format.ts';
import { type CommonOptions, type ExitCode, type VerbContext, withOperations } from '../verb.ts';
import { workThrough } from '../work-through.ts';
import { type PlaceOptions, placeKindOf } from './peek.ts';

export interface MoveOptions extends CommonOptions, FilterOptions, PlaceOptions {}

/** `posthorn move FROM TO`: puts messages into another queue, unchanged; each is in one of the two at any time. */
export function move(context: VerbContext, from: string, to: string, options: MoveOptions): Promise<ExitCode> {
  return withOperations(context, options, (operations) => {
    const filter = filterOf(options);
    const kind = placeKindOf(options);
    return workThrough(context, operations, options, {
      queue: from,
      doing: 'Moving',
      page: (afterPosition, sequenceMax) =>
        operations.movePage({ queue: from, to, kind, filter, afterPosition, sequenceMax }),
      done: (count) => `Moved ${countOf(count, 'message')} from '${from}' to '${to}'.`,
      result: (count) => ({ queue: from, to, moved: count }),
      ...(filter.ids !== undefined && { nothing: nothingOf(from, kind, filter.ids) }),
    });
  });
}

/** Who names messages means them: that none was there is a failure. */
function nothingOf(queue: string, kind: 'queue' | 'delayed' | 'journal', ids: readonly string[]): string {
  const where = { queue: 'waits', delayed: 'is delayed', journal: 'is in the journal' }[kind];
  const which = ids.length === 1 ? `no message '${ids[0]}'` : 'none of these messages';
  const other =
    kind === 'queue'
      ? 'with --delayed those are looked for that wait for their time'
      : 'the others are found without that option';
  return `Nothing was moved: ${which} ${where} in '${queue}'; ${other}.`;
}
