import { join } from 'node:path';
import { freePort } from '../tools/free-port.ts';
import { BenchChild } from './bench-child.ts';
import { ownCpuMs, ReceivingMachine } from './receiving-machine.ts';
import type { Row } from './row.ts';
import { countStored, roundTo } from './row-support.ts';
import type { FillWish } from './transfer-process.ts';

const BACKLOG = 100_000;
const ARRIVAL_MS_MAX = 120_000;
const REFERENCE_MS = 2_000;
const MUST_RATIO = 0.5;
const MORE_MEMORY_MB_MAX = 150;

/** 100,000 messages wait for a machine that is not there; it comes, and the time runs until the last one is durable there. */
export const transferBacklogRow: Row = {
  name: 'transfer_backlog',
  what: '100,000 messages wait, then the machine is there',
  must: `ratio ≥ ${MUST_RATIO} to durable sends on the receiver, ≤ ${MORE_MEMORY_MB_MAX} MB more at the sender`,
  aim: 'ratio ≥ 0.8',
  async measure(directory) {
    const port = await freePort();
    const store = join(directory, 'receiver');
    await using sender = new BenchChild('transfer-process.ts', [
      join(directory, 'sender'),
      JSON.stringify({ receiver: `127.0.0.1:${port}` }),
    ]);
    await sender.ask('fill', { to: ['in@receiver'], count: BACKLOG } satisfies FillWish);
    const memoryBefore = await sender.ask<number>('memoryBytes');
    const senderBefore = await sender.ask<number>('cpuMs');
    let reference: number;
    let perSecond: number;
    let receiverCpu: number;
    {
      await using receiver = await ReceivingMachine.open(store, 'receiver', port);
      await receiver.untilArrived(1, ARRIVAL_MS_MAX);
      const [countBefore, startedMs, cpuBefore] = [receiver.arrivedCount, performance.now(), ownCpuMs()];
      await receiver.untilArrived(BACKLOG, ARRIVAL_MS_MAX);
      const count = BACKLOG - countBefore;
      perSecond = count / ((performance.now() - startedMs) / 1000);
      receiverCpu = ((ownCpuMs() - cpuBefore) * 1000) / count;
      reference = await receiver.sendLocally(128, REFERENCE_MS);
    }
    const senderCpu = (((await sender.ask<number>('cpuMs')) - senderBefore) * 1000) / BACKLOG;
    const moreMemoryMb = ((await sender.ask<number>('memoryBytes')) - memoryBefore) / 1e6;
    await sender.ask('end');
    const storedCount = (await countStored(store)).get('in') ?? 0;
    const ratio = perSecond / reference;
    return {
      value: roundTo(perSecond, 0),
      unit: 'messages/s',
      reference: roundTo(reference, 0),
      ratio: roundTo(ratio, 3),
      p50Ms: null,
      p99Ms: null,
      ok: ratio >= MUST_RATIO && moreMemoryMb <= MORE_MEMORY_MB_MAX && storedCount === BACKLOG,
      details: {
        senderCpuMicrosecondsPerMessage: roundTo(senderCpu, 1),
        receiverCpuMicrosecondsPerMessage: roundTo(receiverCpu, 1),
        moreMemoryAtTheSenderMb: roundTo(moreMemoryMb, 1),
        countedInStore: storedCount,
      },
    };
  },
};
