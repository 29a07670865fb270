import type { Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';

/** Lines of `Name  value`, values wrapped under themselves; a fact without a value is left out. */
export function formatFacts(terminal: Terminal, facts: readonly Fact[]): string {
  const indent = ' '.repeat(NAME_WIDTH);
  const width = terminal.columns === undefined ? undefined : Math.max(20, terminal.columns - NAME_WIDTH);
  return facts
    .flatMap(([name, value, whole]) => {
      const lines = value === undefined ? [] : wrap(value, whole === undefined ? width : undefined);
      const title = `${terminal.bold(name.padEnd(NAME_WIDTH - 1))} `;
      return lines.map((line, index) => `${index === 0 ? title : indent}${line}`);
    })
    .join('\n');
}

/** `whole`: there to be copied, and never broken. */
export type Fact = readonly [name: string, value: string | undefined, whole?: 'whole'];

const NAME_WIDTH = 14;
