import { harmless } from './terminal.ts';

/** Breaks a text into lines of at most `width` characters, between words where it can. Without a width it stays one line. */
export function wrap(text: string, width: number | undefined): readonly string[] {
  const words = harmless(text)
    .split(' ')
    .filter((word) => word !== '');
  if (width === undefined) return [words.join(' ')];
  const lines: string[] = [];
  let line = '';
  for (const word of words.flatMap((each) => pieces(each, width))) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' && lines.length > 0 ? lines : [...lines, line];
}

/** A word longer than the line, as a path may be. */
function pieces(word: string, width: number): readonly string[] {
  const found: string[] = [];
  for (let start = 0; start < word.length; start += width) found.push(word.slice(start, start + width));
  return found;
}
