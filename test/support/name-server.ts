import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { SocketAddress } from 'node:net';
import type { TestContext } from 'node:test';

/**
 * A name server of this test, over UDP on a free port of loopback. `say` is what it answers, and can be changed at any time.
 * Its answers may be kept for an hour (time to live), which a door to names must not do.
 */
export async function startNameServer(t: TestContext, say: Say): Promise<NameServer> {
  const server = await openNameServer({ address: '127.0.0.1', port: 0, say });
  t.after(() => server.close());
  return server;
}

/** The same elsewhere; it answers until `close`. */
export async function openNameServer({ address, port, say }: NameServerOptions): Promise<OpenNameServer> {
  const socket = createSocket('udp4');
  const questions: string[] = [];
  const server = { say, questions, close: () => void socket.close() };
  socket.on('message', (query, from) => answer(query, from));
  const answer = (query: Buffer, from: RemoteInfo): void => {
    const { name, type, end } = questionIn(query);
    questions.push(`${name} ${type}`);
    const said = server.say(name, type, from.address);
    if (said !== 'silence') socket.send(replyTo(query, end, said, type), from.port, from.address);
  };
  socket.bind(port, address);
  await once(socket, 'listening');
  return Object.assign(server, { address: `${address}:${socket.address().port}` });
}

export interface NameServerOptions {
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  readonly say: Say;
}

/** Addresses of both families; those of the other one than asked for are left out. */
export type Said = readonly string[] | 'no such name' | 'failure' | 'silence';
export type Say = (name: string, type: 'A' | 'AAAA', askedBy: string) => Said;

export interface NameServer {
  /** As it stands behind `nameserver`. */
  readonly address: string;
  say: Say;
  /** `beta.test A`, in the order they came. */
  readonly questions: string[];
}

export interface OpenNameServer extends NameServer {
  close(): void;
}

const HEADER_BYTES = 12;

function questionIn(query: Buffer): { name: string; type: 'A' | 'AAAA'; end: number } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = query.readUInt16BE(at + 1) === 1 ? 'A' : 'AAAA';
  return { name: labels.join('.').toLowerCase(), type, end: at + 5 };
}

function replyTo(query: Buffer, questionEnd: number, said: Exclude<Said, 'silence'>, type: 'A' | 'AAAA'): Buffer {
  const code = said === 'no such name' ? 3 : said === 'failure' ? 2 : 0;
  const records = typeof said === 'string' ? [] : said.flatMap((address) => recordOf(address, type));
  const header = Buffer.from(query.subarray(0, HEADER_BYTES));
  // A response, recursion available, with the question repeated.
  header.writeUInt16BE(0x8180 | code, 2);
  header.writeUInt16BE(records.length, 6);
  header.writeUInt32BE(0, 8);
  return Buffer.concat([header, query.subarray(HEADER_BYTES, questionEnd), ...records]);
}

function recordOf(address: string, type: 'A' | 'AAAA'): Buffer[] {
  const isOfType = address.includes(':') === (type === 'AAAA');
  if (!isOfType) return [];
  const data = type === 'A' ? Buffer.from(address.split('.').map(Number)) : bytesOfIpv6(address);
  const head = Buffer.alloc(12);
  // The name is a pointer to the question's.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type === 'A' ? 1 : 28, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(3600, 6);
  head.writeUInt16BE(data.length, 10);
  return [Buffer.concat([head, data])];
}

function bytesOfIpv6(address: string): Buffer {
  const [left = '', right = ''] = new SocketAddress({ address, family: 'ipv6' }).address.split('::');
  const groups = (part: string): number[] =>
    part.split(':').flatMap((group) => (group === '' ? [] : [parseInt(group, 16)]));
  const bytes = Buffer.alloc(16);
  groups(left).forEach((group, index) => void bytes.writeUInt16BE(group, index * 2));
  groups(right)
    .reverse()
    .forEach((group, index) => void bytes.writeUInt16BE(group, 14 - index * 2));
  return bytes;
}
