/** A statement for an error text: its beginning on one line, what stands in quotes left out, as it may be anybody's data. */
export function shownStatement(text: string): string {
  const beginning = text
    .slice(0, READ_MAX)
    .replace(/'[^']*'?/g, "'…'")
    .replace(/\s+/g, ' ')
    .trim();
  return beginning.length <= SHOWN_MAX ? beginning : `${beginning.slice(0, SHOWN_MAX)}…`;
}

const READ_MAX = 2000;
const SHOWN_MAX = 120;
