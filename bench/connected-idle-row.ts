import { join } from 'node:path';
import { freePort } from '../tools/free-port.ts';
import { BenchChild } from './bench-child.ts';
import { ownCpuMs, ReceivingMachine } from './receiving-machine.ts';
import type { Row } from './row.ts';
import { roundTo } from './row-support.ts';
import type { FillWish } from './transfer-process.ts';

const IDLE_MS = 20_000;
const CORE_PERCENT_MAX = 1;

/** Two machines with a link between them and nothing to say: heartbeats, looks at the interfaces, the receiver's look at itself. */
export const connectedIdleRow: Row = {
  name: 'connected_idle',
  what: 'two connected idle machines',
  must: `< ${CORE_PERCENT_MAX} % of one core, both together`,
  aim: '< 0.2 %',
  async measure(directory) {
    const port = await freePort();
    await using receiver = await ReceivingMachine.open(join(directory, 'receiver'), 'receiver', port);
    await using sender = new BenchChild('transfer-process.ts', [
      join(directory, 'sender'),
      JSON.stringify({ receiver: `127.0.0.1:${port}` }),
    ]);
    await sender.ask('fill', { to: ['in@receiver'], count: 1 } satisfies FillWish);
    await receiver.untilArrived(1, 10_000);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const senderBefore = await sender.ask<number>('cpuMs');
    const receiverBefore = ownCpuMs();
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const receiverPercent = ((ownCpuMs() - receiverBefore) / IDLE_MS) * 100;
    const senderPercent = (((await sender.ask<number>('cpuMs')) - senderBefore) / IDLE_MS) * 100;
    await sender.ask('end');
    return {
      value: roundTo(senderPercent + receiverPercent, 3),
      unit: '% of one core',
      reference: null,
      ratio: null,
      p50Ms: null,
      p99Ms: null,
      ok: senderPercent + receiverPercent < CORE_PERCENT_MAX,
      details: { seconds: IDLE_MS / 1000, sender: roundTo(senderPercent, 3), receiver: roundTo(receiverPercent, 3) },
    };
  },
};
