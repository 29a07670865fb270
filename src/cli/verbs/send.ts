import { readBytes } from '../../io/files.ts';
import { readStandardInput } from '../../io/standard-input.ts';
import { formatAddress, parseAddress } from '../../message/address.ts';
import { checkHeaders } from '../../message/check-headers.ts';
import { checkMessageType } from '../../message/check-message-type.ts';
import { Header, headersOf } from '../../message/headers.ts';
import { MESSAGE_ID_LENGTH_MAX, PRIORITY_MAX } from '../../message/limits.ts';
import { PosthornError } from '../../message/posthorn-error.ts';
import { formatTimestamp } from '../../message/timestamp.ts';
import type { ManagerDescription, Operations, SendRequest } from '../../operations/operations.ts';
import { UsageError } from '../errors.ts';
import { parseDuration, parseWhole } from '../values.ts';
import { type CommonOptions, type ExitCode, printJson, type VerbContext, withOperations } from '../verb.ts';

export interface SendOptions extends CommonOptions {
  readonly type?: string;
  readonly body?: string;
  readonly file?: string;
  readonly contentType?: string;
  readonly header?: readonly string[];
  readonly priority?: string;
  readonly delay?: string;
  readonly ttl?: string;
  readonly id?: string;
  readonly create?: boolean;
}

/** `posthorn send QUEUE`: stores one message; done when it is on disk. */
export async function send(context: VerbContext, destination: string, options: SendOptions): Promise<ExitCode> {
  const address = parseAddress(destination);
  checkId(options.id);
  if (options.type !== undefined) checkMessageType(options.type);
  const body = await readBody(options);
  const priority =
    options.priority === undefined ? undefined : parseWhole('--priority', options.priority, 0, PRIORITY_MAX);
  const delayMs = options.delay === undefined ? undefined : parseDuration('--delay', options.delay);
  const timeToBeReceivedMs = options.ttl === undefined ? undefined : parseDuration('--ttl', options.ttl);
  return await withOperations(context, options, async (operations) => {
    const manager = await operations.describeManager();
    const headers = makeHeaders(context, manager, options);
    const message = { destination: formatAddress(address), headers, body, priority, delayMs, timeToBeReceivedMs };
    await store(operations, {
      messages: [message],
      sendId: context.io.random.uuid(),
      onlyExisting: options.create !== true,
    });
    const messageId = headers[Header.messageId];
    if (options.json === true) printJson(context.terminal, { messageId, destination, bodyBytes: body.byteLength });
    else context.terminal.print(`Sent message ${messageId} to '${destination}'.`);
    return 0;
  });
}

async function store(operations: Operations, request: SendRequest): Promise<void> {
  try {
    await operations.send(request);
  } catch (error) {
    if (!(error instanceof PosthornError && error.code === 'QUEUE_NOT_FOUND')) throw error;
    throw new UsageError(error.message, 'Or add --create to make it.');
  }
}

function makeHeaders(context: VerbContext, manager: ManagerDescription, options: SendOptions): Record<string, string> {
  const { clock, random } = context.io;
  const id = options.id ?? random.uuid();
  const headers = headersOf({
    [Header.messageId]: id,
    [Header.correlationId]: id,
    [Header.conversationId]: random.uuid(),
    [Header.messageIntent]: 'Send',
    [Header.contentType]: options.contentType ?? 'application/json',
    [Header.timeSent]: formatTimestamp(clock.wallNowMs()),
    [Header.originatingEndpoint]: 'posthorn-cli',
    [Header.originatingMachine]: manager.machine,
  });
  if (options.type !== undefined) headers[Header.enclosedMessageTypes] = options.type;
  for (const text of options.header ?? []) {
    const equals = text.indexOf('=');
    if (equals < 1)
      throw new UsageError(`--header '${text}' is not NAME=VALUE.`, "Write it as --header 'Tenant=acme'.");
    headers[text.slice(0, equals)] = text.slice(equals + 1);
  }
  checkHeaders(headers);
  return headers;
}

async function readBody(options: SendOptions): Promise<Uint8Array> {
  if (options.body !== undefined && options.file !== undefined)
    throw new UsageError('--body and --file together cannot be meant.', 'Give one of them.');
  if (options.file === '-') return checked(await readStandardInput(), options);
  if (options.file !== undefined) return checked(await readBodyFile(options.file), options);
  if (options.body === undefined)
    throw new UsageError('send needs a body.', `Add --body '{"…"}', --file FILE, or --file - for standard input.`);
  return checked(new TextEncoder().encode(options.body), options);
}

async function readBodyFile(path: string): Promise<Uint8Array> {
  try {
    return await readBytes(path);
  } catch (error) {
    throw new UsageError(
      `'${path}' cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      'Name a file that can be with --file, or - for standard input.',
    );
  }
}

function checkId(id: string | undefined): void {
  if (id === undefined || (id !== '' && id.length <= MESSAGE_ID_LENGTH_MAX)) return;
  throw new UsageError(
    `--id is ${id === '' ? 'empty' : 'too long'}.`,
    `Give 1 to ${MESSAGE_ID_LENGTH_MAX} characters, or leave it out for a new one.`,
  );
}

/** A body that says it is JSON has to be: an endpoint would only put it into its error queue. */
function checked(body: Uint8Array, options: SendOptions): Uint8Array {
  if ((options.contentType ?? 'application/json') !== 'application/json') return body;
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    return body;
  } catch (error) {
    throw new UsageError(
      `The body is not JSON: ${error instanceof Error ? error.message : String(error)}.`,
      'Correct it, or name what it is with --content-type.',
    );
  }
}
