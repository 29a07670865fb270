import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';

/*
 * A name server for tests: `node name-server-process.ts ADDRESS [PORT]`. It answers A and AAAA questions over UDP from a
 * table that lines on its standard input change: `NAME ADDRESS…`; with no address the name does not exist. A name of
 * `!silent` or `!servfail` as its address is not answered, or answered with a failure. It prints `ready`, then `done` after
 * each change.
 */

const [address = '127.0.0.1', port = '53'] = process.argv.slice(2);
const table = new Map<string, readonly string[]>();
const socket = createSocket('udp4');

socket.on('message', (query, from) => {
  const answer = answerOf(query);
  if (answer !== undefined) socket.send(answer, from.port, from.address);
});
socket.bind(Number(port), address, () => process.stdout.write(`ready ${socket.address().port}\n`));

createInterface({ input: process.stdin }).on('line', (line) => {
  const [name = '', ...addresses] = line.trim().split(/\s+/);
  if (addresses.length === 0) table.delete(name.toLowerCase());
  else table.set(name.toLowerCase(), addresses);
  process.stdout.write('done\n');
});
process.stdin.on('end', () => process.exit(0));

const TYPE_A = 1;
const TYPE_AAAA = 28;
const FAILED = 2;
const NO_SUCH_NAME = 3;

/** The answer to a question, or undefined: silence. */
function answerOf(query: Buffer): Buffer | undefined {
  const { name, end } = readName(query, 12);
  const type = query.readUInt16BE(end);
  const addresses = table.get(name);
  if (addresses?.includes('!silent') === true) return undefined;
  if (addresses?.includes('!servfail') === true) return reply(query, end, FAILED, []);
  if (addresses === undefined) return reply(query, end, NO_SUCH_NAME, []);
  const records = addresses.flatMap((text) => {
    const isV6 = text.includes(':');
    if (type === TYPE_A && !isV6) return [record(TYPE_A, Buffer.from(text.split('.').map(Number)))];
    return type === TYPE_AAAA && isV6 ? [record(TYPE_AAAA, bytesOfV6(text))] : [];
  });
  return reply(query, end, 0, records);
}

function readName(query: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

function reply(query: Buffer, questionEnd: number, code: number, records: readonly Buffer[]): Buffer {
  const header = Buffer.from(query.subarray(0, 12));
  // A response, recursion available, with the question repeated.
  header.writeUInt16BE(0x8180 | code, 2);
  header.writeUInt16BE(records.length, 6);
  header.writeUInt32BE(0, 8);
  return Buffer.concat([header, query.subarray(12, questionEnd + 4), ...records]);
}

/** The name is a pointer to the question's; nobody may keep the answer (time to live 0). */
function record(type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function bytesOfV6(text: string): Buffer {
  const [left = '', right = ''] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const start = groups(left);
  const end = groups(right);
  const all = [...start, ...Array.from({ length: 8 - start.length - end.length }, () => 0), ...end];
  const bytes = Buffer.alloc(16);
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(group, index * 2);
  return bytes;
}
