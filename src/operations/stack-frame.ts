import { fileURLToPath } from 'node:url';

/**
 * The first frame of a stack that stands in the user's own code, as `function (file:line)`; empty when there is none.
 *
 * Passed over are Node's own frames, everything under `node_modules`, and Posthorn's. Of the path the last three parts
 * stay, so that the same fault is one group on machines with different directories. The stack is text from a message:
 * it is read line by line, each cut to a length, and only ever compared and shown.
 */
export function firstOwnFrame(stack: string): string {
  const frame = findOwnFrame(stack);
  return frame === undefined ? '' : describeFrame(frame);
}

/** The place of that frame, whole, for somebody who is to open the file: `/srv/shop/billing.ts:24:11`. */
export function firstOwnPlace(stack: string): string | undefined {
  const frame = findOwnFrame(stack);
  return frame === undefined ? undefined : `${frame.file}:${frame.line}:${frame.column}`;
}

function findOwnFrame(stack: string): Frame | undefined {
  for (const line of stack.split('\n')) {
    const frame = readFrame(line.slice(0, LINE_LENGTH_MAX).trim());
    if (frame !== undefined && isOwn(frame.file)) return frame;
  }
  return undefined;
}

const LINE_LENGTH_MAX = 1_000;
const PATH_PARTS_SHOWN = 3;
/** `src/` of a checkout, `dist/` of a package: where Posthorn's own code stands. */
const OWN_CODE = fileURLToPath(new URL('..', import.meta.url)).replaceAll('\\', '/');

interface Frame {
  readonly callee: string;
  readonly file: string;
  readonly line: string;
  readonly column: string;
}

/** `at callee (file:line:column)` or `at file:line:column`, as V8 writes them. */
function readFrame(line: string): Frame | undefined {
  if (!line.startsWith('at ')) return undefined;
  const opening = line.lastIndexOf(' (');
  const isCall = opening !== -1 && line.endsWith(')');
  const place = isCall ? line.slice(opening + 2, -1) : line.slice(3).replace(/^async /, '');
  const position = /^(.+):(\d+):(\d+)$/.exec(place);
  if (position === null) return undefined;
  const file = (position[1] ?? '').replace(/^file:\/\//, '').replaceAll('\\', '/');
  const callee = isCall ? line.slice(3, opening).replace(/^async /, '') : '';
  return { callee, file, line: position[2] ?? '', column: position[3] ?? '' };
}

function isOwn(file: string): boolean {
  const isNodes = file.startsWith('node:') || file.startsWith('internal/') || file.startsWith('evalmachine');
  return !isNodes && !file.includes('/node_modules/') && !file.startsWith(OWN_CODE);
}

function describeFrame(frame: Frame): string {
  const path = frame.file
    .split('/')
    .filter((part) => part !== '')
    .slice(-PATH_PARTS_SHOWN)
    .join('/');
  return frame.callee === '' ? `${path}:${frame.line}` : `${frame.callee} (${path}:${frame.line})`;
}
