import assert from 'node:assert/strict';
import type { Unit } from '../../src/store/store.ts';
import type { Data } from '../../src/transfer/wire/frames.ts';
import type { MemoryLink } from './memory-link.ts';
import type { MemoryMachine } from './memory-machine.ts';
import { type StreamStory, textsOf } from './stream-story.ts';

export const TEN: readonly string[] = Array.from({ length: 10 }, (_, index) => `m${index}`);

/** Delivers everything until a frame of this type waits on its way back to the sender. */
export async function deliverUntil(story: StreamStory, link: MemoryLink, type: 'acked'): Promise<void> {
  let isThere = false;
  const { tamper } = link;
  link.tamper = (frame) => {
    isThere ||= frame.type === type;
    return frame.type === type ? [] : [frame];
  };
  for (let round = 0; !isThere; round++) {
    assert.ok(round < 100, `no ${type} came`);
    await story.settle();
  }
  link.tamper = tamper;
}

/** Attaches the stream; its first frames of messages are on the way and do not arrive yet. */
export async function deliverUntilData(story: StreamStory, link: MemoryLink): Promise<void> {
  await story.settleStores();
  link.deliver('data');
  await story.settleStores();
  link.deliver('answers');
  await story.settleStores();
}

export function arrived(story: StreamStory): Promise<readonly string[]> {
  return textsOf(story.beta.manager, 'billing');
}

/** Answers units in the place of the store: with this error, or (NEVER) not at all. */
export function failUnits(
  { machine }: { readonly machine: MemoryMachine },
  answer: (unit: Unit) => Error | typeof NEVER | undefined,
): void {
  machine.answerUnits((unit, commit) => {
    const instead = answer(unit);
    if (instead === undefined) return commit();
    return instead === NEVER ? machine.never() : Promise.reject(instead);
  });
}

export const NEVER = Symbol('never');

export function puts({ operations }: Unit): boolean {
  return operations.some(({ kind }) => kind === 'put');
}

export function bytesOf({ messages }: Data): number {
  return messages.reduce((sum, { headers, body }) => sum + headers.byteLength + body.byteLength, 0);
}

/** The same messages again and again, with the right numbers. */
export function flood(frame: Data): readonly Data[] {
  const count = frame.messages.length;
  return Array.from({ length: 500 }, (_, index) => ({ ...frame, firstSeq: frame.firstSeq + index * count }));
}
