import type { Io } from '../io/io.ts';
import { AdmissionGate } from '../store/admission-gate.ts';

/** Bounds the sends on their way to another process, as the store bounds those on their way to the disk. */
export function makeSendGate(io: Io): AdmissionGate {
  return new AdmissionGate((action) => io.timers.soon(action), { unitCountMax: 512, byteCountMax: 32 * 1024 * 1024 });
}

export type SendGate = AdmissionGate;
