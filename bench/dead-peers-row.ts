import { join } from 'node:path';
import { freePort } from '../tools/free-port.ts';
import { BenchChild } from './bench-child.ts';
import { ownCpuMs, ReceivingMachine } from './receiving-machine.ts';
import type { Row } from './row.ts';
import { roundTo } from './row-support.ts';
import { median } from './statistics.ts';
import type { FillWish, SendWish } from './transfer-process.ts';

const LIVE = 10;
const DEAD = 490;
const WAITING_EACH = 10;
const CONCURRENCY = 128;
const ROUNDS = 6;
const ROUND_MS = 1_000;
const ARRIVAL_MS_MAX = 60_000;
const MUST_RATIO = 0.8;

/**
 * Traffic to 10 machines, beside 490 that are dead and have messages waiting: nobody listens, nobody knows the name. Two
 * senders in processes of their own take turns: one has the dead ones, the other does not.
 */
export const deadPeersRow: Row = {
  name: 'transfer_dead_peers',
  what: '10 live of 500 destinations, beside the 10 alone',
  must: `ratio ≥ ${MUST_RATIO}`,
  aim: 'ratio ≥ 0.95',
  async measure(directory) {
    const ports = await distinctPorts(LIVE + 1);
    const live = ports.slice(0, LIVE).map((port, index) => ({ machine: `live${index}`, port }));
    const liveMachines = Object.fromEntries(live.map(({ machine, port }) => [machine, `127.0.0.1:${port}`]));
    await using machines = new AsyncDisposableStack();
    const receivers: ReceivingMachine[] = [];
    for (const { machine, port } of live) {
      receivers.push(machines.use(await ReceivingMachine.open(join(directory, machine), machine, port)));
    }
    const arrived = (): number => receivers.reduce((total, { arrivedCount }) => total + arrivedCount, 0);
    const withDead = new Sender(join(directory, 'with-dead'), {
      ...liveMachines,
      ...deadMachines(ports[LIVE] as number),
    });
    const alone = new Sender(join(directory, 'alone'), liveMachines);
    machines.use(withDead.child);
    machines.use(alone.child);
    const dead = Object.keys(deadMachines(0)).map((machine) => `in@${machine}`);
    await withDead.child.ask('fill', { to: dead, count: WAITING_EACH } satisfies FillWish);
    const to = live.map(({ machine }) => `in@${machine}`);
    const rates = { withDead: [] as number[], alone: [] as number[] };
    for (let round = -1; round < ROUNDS; round++) {
      for (const [name, sender] of round % 2 === 0 ? both(withDead, alone) : both(withDead, alone).reverse()) {
        const perSecond = await sender.rate(to, arrived);
        if (round >= 0) rates[name].push(perSecond);
      }
    }
    const stillWaiting = await withDead.child.ask<number>('waiting', 'dead');
    const ratios = rates.withDead.map((rate, round) => rate / (rates.alone[round] ?? Number.NaN));
    for (const { child } of [withDead, alone]) await child.ask('end');
    return {
      value: roundTo(median(rates.withDead), 0),
      unit: 'messages/s',
      reference: roundTo(median(rates.alone), 0),
      ratio: roundTo(median(ratios), 3),
      p50Ms: null,
      p99Ms: null,
      ok: median(ratios) >= MUST_RATIO && stillWaiting === DEAD * WAITING_EACH,
      details: {
        ratios: ratios.map((ratio) => ratio.toFixed(2)).join(' '),
        senderCpuMicrosecondsPerMessage: roundTo(median(withDead.cpuPerMessage), 1),
        senderCpuMicrosecondsPerMessageAlone: roundTo(median(alone.cpuPerMessage), 1),
        receiversCpuMicrosecondsPerMessage: roundTo(median(withDead.receiverCpuPerMessage), 1),
        waitingForTheDead: stillWaiting,
      },
    };
  },
};

type Named = ['withDead' | 'alone', Sender];

function both(withDead: Sender, alone: Sender): Named[] {
  return [
    ['withDead', withDead],
    ['alone', alone],
  ];
}

class Sender {
  readonly child: BenchChild;
  readonly cpuPerMessage: number[] = [];
  readonly receiverCpuPerMessage: number[] = [];

  constructor(directory: string, machines: Readonly<Record<string, string>>) {
    this.child = new BenchChild('transfer-process.ts', [directory, JSON.stringify(machines)]);
  }

  async rate(to: readonly string[], arrived: () => number): Promise<number> {
    const cpuBefore = await this.child.ask<number>('cpuMs');
    const [before, startedMs, ownBefore] = [arrived(), performance.now(), ownCpuMs()];
    const wish: SendWish = { to, concurrency: CONCURRENCY, durationMs: ROUND_MS };
    const count = await this.child.ask<number>('send', wish);
    const endMs = performance.now() + ARRIVAL_MS_MAX;
    while (arrived() < before + count) {
      if (performance.now() > endMs) throw new Error(`Only ${arrived() - before} of ${count} messages arrived.`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const perSecond = count / ((performance.now() - startedMs) / 1000);
    this.receiverCpuPerMessage.push(((ownCpuMs() - ownBefore) * 1000) / count);
    this.cpuPerMessage.push((((await this.child.ask<number>('cpuMs')) - cpuBefore) * 1000) / count);
    return perSecond;
  }
}

/** Half of them at an address where nobody listens, half with a name that nobody knows. */
function deadMachines(unusedPort: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: DEAD }, (_, index) => [
      `dead${index}`,
      index % 2 === 0 ? `127.0.0.1:${unusedPort}` : `dead${index}.invalid`,
    ]),
  );
}

async function distinctPorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}
