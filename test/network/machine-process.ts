import { createInterface } from 'node:readline';
import { Endpoint, QueueManager } from 'posthorn';
import type { Timer } from '../../src/io/io.ts';
import { nodeIo } from '../../src/io/node-io.ts';

/*
 * One machine of a network test: `node machine-process.ts MACHINE DIRECTORY [CLOCK_AHEAD_MS]`. How it reaches others stands
 * in the directory's `network.json`. Its endpoint `orders` handles numbered messages one at a time and prints
 * `handled FROM NUMBER`. Lines on its standard input: `send TO PER_SECOND` sends numbered messages to `orders@TO` until
 * `quiet`, printing `sent NUMBER` for each that was accepted; `end` ends in good order. Its wall clock is ahead of that of
 * others by CLOCK_AHEAD_MS.
 */

interface Numbered {
  readonly from: string;
  readonly number: number;
}

const [machine = '', directory = '', clockAheadMs = '0'] = process.argv.slice(2);
const { clock, ...doors } = nodeIo();
const io = { ...doors, clock: { ...clock, wallNowMs: () => clock.wallNowMs() + Number(clockAheadMs) } };
const manager = await QueueManager.open({ directory, machine, io });
const orders = new Endpoint('orders', { queueManager: manager, concurrency: 1 });
orders.handle('Numbered', (message) => {
  const { from, number } = message as Numbered;
  process.stdout.write(`handled ${from} ${number}\n`);
});
await orders.start();
let sending: Timer | undefined;
let lastNumber = 0;
const underWay = new Set<Promise<void>>();

createInterface({ input: process.stdin }).on('line', (line) => {
  const [verb, to = '', perSecond = '1'] = line.split(' ');
  if (verb === 'send') keepSending(to, 1000 / Number(perSecond));
  if (verb === 'quiet') void quiet();
  if (verb === 'end') void end();
});
process.stdout.write('ready\n');

function keepSending(to: string, everyMs: number): void {
  sending = io.timers.after(everyMs, () => {
    sendOne(to);
    keepSending(to, everyMs);
  });
}

function sendOne(to: string): void {
  const number = ++lastNumber;
  const message: Numbered = { from: machine, number };
  const sent = orders
    .send('Numbered', message, { to: `orders@${to}` })
    .then(() => void process.stdout.write(`sent ${number}\n`))
    .finally(() => underWay.delete(sent));
  underWay.add(sent);
}

async function quiet(): Promise<void> {
  sending?.cancel();
  await Promise.all(underWay);
  process.stdout.write(`quiet ${lastNumber}\n`);
}

async function end(): Promise<void> {
  await orders.stop();
  await manager.close();
  process.exit(0);
}
