import { Header } from '../message/headers.ts';
import type { MessageDetails } from '../operations/message-summary.ts';
import type { FindRequest } from '../operations/operations.ts';
import type { FoundMessage } from './find-message.ts';
import { countOf, formatBytes, readableTime } from './format.ts';
import { detailsJson, textOf } from './message-json.ts';
import { harmless, harmlessLines } from './terminal.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext } from './verb.ts';

/** Prints one message whole: what it is, why it failed, its headers, its body. */
export function printMessage(
  context: VerbContext,
  { queue, kind }: PlaceOfMessage,
  { message, sameIdCount }: FoundMessage,
  options: CommonOptions,
): ExitCode {
  const { terminal } = context;
  if (options.json === true) {
    printJson(terminal, { ...detailsJson(queue, message), sameIdCount });
    return 0;
  }
  for (const [name, value] of factsOf(queue, message))
    terminal.print(`${terminal.bold(name.padEnd(12))} ${harmless(value)}`);
  const stack = message.headers?.[Header.exceptionStackTrace];
  if (stack !== undefined) section(context, 'Stack', harmlessLines(stack));
  if (message.headers === undefined) section(context, 'Headers', 'cannot be read');
  else section(context, 'Headers', headerLines(message.headers));
  section(context, `Body, ${formatBytes(message.body.byteLength)}`, bodyText(message.body));
  if (sameIdCount > 1) {
    const place = kind === undefined || kind === 'queue' ? '' : ` --${kind}`;
    terminal.note(`\n${countOf(sameIdCount, 'message')} have this id; this is the first. See them all:`);
    terminal.note(`posthorn peek ${queue} --id ${harmless(message.id)}${place}`);
  }
  return 0;
}

/** Where it lies; a queue without a kind is the queue itself. */
type PlaceOfMessage = Pick<FindRequest, 'queue' | 'kind'>;

function factsOf(queue: string, message: MessageDetails): [string, string][] {
  const { failure, deadLetter } = message;
  const facts: [string, string][] = [
    ['Message', message.id],
    ['Type', message.messageType ?? 'unknown'],
    ['Queue', `${queue}, ${stateOf(message)}, priority ${message.priority}`],
    ['Sent', readableTime(message.sentMs)],
  ];
  if (message.dueMs !== undefined) facts.push(['Due', readableTime(message.dueMs)]);
  if (failure !== undefined) {
    const attempts = failure.attempts === undefined ? '' : ` after ${countOf(failure.attempts, 'attempt')}`;
    facts.push([
      'Failed',
      `${readableTime(failure.failedMs)} in ${failure.failedQueue ?? 'an unknown queue'}${attempts}`,
    ]);
    facts.push(
      ['Reason', failure.reason],
      ['Exception', `${failure.exceptionType}: ${failure.text}`],
      ['Group', failure.group],
    );
  }
  if (deadLetter !== undefined)
    facts.push(['Dead letter', `${deadLetter.reason}, was meant for ${deadLetter.source ?? 'an unknown queue'}`]);
  if (deadLetter?.text !== undefined) facts.push(['What', deadLetter.text]);
  return facts;
}

function stateOf(message: MessageDetails): string {
  if (message.dueMs !== undefined) return 'delayed';
  return message.isLocked ? 'held by a receiver' : 'ready';
}

function section(context: VerbContext, title: string, text: string): void {
  context.terminal.print(`\n${context.terminal.bold(title)}`);
  for (const line of text.split('\n')) context.terminal.print(`  ${line}`);
}

function headerLines(headers: Readonly<Record<string, string>>): string {
  const names = Object.keys(headers).filter((name) => name !== Header.exceptionStackTrace);
  return names
    .sort()
    .map((name) => `${name}: ${harmless(headers[name] ?? '')}`)
    .join('\n');
}

/** JSON laid out, other text as it is, bytes as hexadecimal; cut where it would fill screens. */
function bodyText(body: Uint8Array): string {
  const text = textOf(body);
  if (text === undefined) {
    const shown = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, HEX_BYTES_SHOWN)).toString('hex');
    return `${shown.replace(/(.{2})(?=.)/g, '$1 ').replace(/(.{47}) /g, '$1\n')}${body.byteLength > HEX_BYTES_SHOWN ? '\n… use --json for all of it' : ''}`;
  }
  const laidOut = harmlessLines(layOut(text));
  return laidOut.length <= TEXT_LENGTH_SHOWN
    ? laidOut
    : `${laidOut.slice(0, TEXT_LENGTH_SHOWN)}\n… use --json for all of it`;
}

/** Lays JSON out, unless that would change what it says: long numbers, doubled names. */
function layOut(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return JSON.stringify(value) === text ? JSON.stringify(value, undefined, 2) : text;
  } catch {
    return text;
  }
}

const HEX_BYTES_SHOWN = 512;
const TEXT_LENGTH_SHOWN = 20_000;
