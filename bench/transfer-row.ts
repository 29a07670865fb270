import { join } from 'node:path';
import { freePort } from '../tools/free-port.ts';
import { BenchChild } from './bench-child.ts';
import { ownCpuMs, ReceivingMachine } from './receiving-machine.ts';
import { compareInRounds } from './rounds.ts';
import type { Row } from './row.ts';
import { countStored, roundTo } from './row-support.ts';
import { median } from './statistics.ts';
import type { SendWish } from './transfer-process.ts';

const CONCURRENCY = 128;
const ROUNDS = 10;
const ROUND_MS = 600;
const ARRIVAL_MS_MAX = 30_000;
const MUST_RATIO = 0.5;
const AIM_RATIO = 0.8;

/**
 * Machine to machine, exactly once: a process sends durably to a queue of another, 128 at once; the time ends when the last
 * message is durable at the receiver. Reference: as many durable sends at once on the receiver alone.
 */
export const transferRow: Row = {
  name: 'transfer_1k',
  what: 'machine to machine, exactly once, 1 KiB',
  must: `ratio ≥ ${MUST_RATIO}`,
  aim: `ratio ≥ ${AIM_RATIO}`,
  async measure(directory) {
    const port = await freePort();
    const store = join(directory, 'receiver');
    const senderCpu: number[] = [];
    const receiverCpu: number[] = [];
    let sentCount = 0;
    let comparison: Awaited<ReturnType<typeof compareInRounds>>;
    {
      await using receiver = await ReceivingMachine.open(store, 'receiver', port);
      await using sender = new BenchChild('transfer-process.ts', [
        join(directory, 'sender'),
        JSON.stringify({ receiver: `127.0.0.1:${port}` }),
      ]);
      const wish: SendWish = { to: ['in@receiver'], concurrency: CONCURRENCY, durationMs: ROUND_MS };
      comparison = await compareInRounds({
        roundCount: ROUNDS,
        reference: () => receiver.sendLocally(CONCURRENCY, ROUND_MS),
        measured: async (isWarmUp) => {
          const senderBefore = await sender.ask<number>('cpuMs');
          const [startedMs, receiverBefore] = [performance.now(), ownCpuMs()];
          const count = await sender.ask<number>('send', wish);
          sentCount += count;
          await receiver.untilArrived(sentCount, ARRIVAL_MS_MAX);
          const seconds = (performance.now() - startedMs) / 1000;
          if (!isWarmUp) {
            receiverCpu.push(((ownCpuMs() - receiverBefore) * 1000) / count);
            senderCpu.push((((await sender.ask<number>('cpuMs')) - senderBefore) * 1000) / count);
          }
          return count / seconds;
        },
      });
      await sender.ask('end');
    }
    const storedCount = (await countStored(store)).get('in') ?? 0;
    return {
      value: roundTo(comparison.value, 0),
      unit: 'messages/s',
      reference: roundTo(comparison.reference, 0),
      ratio: roundTo(comparison.ratio, 3),
      p50Ms: null,
      p99Ms: null,
      ok: comparison.ratio >= MUST_RATIO && storedCount === sentCount,
      details: {
        ratios: comparison.ratios,
        senderCpuMicrosecondsPerMessage: roundTo(median(senderCpu), 1),
        receiverCpuMicrosecondsPerMessage: roundTo(median(receiverCpu), 1),
        countedInStore: storedCount,
        sent: sentCount,
      },
    };
  },
};
