import { createHash } from 'node:crypto';

/** NServiceBus' host id: the same for the same program on the same machine, in the form of a UUID (nservicebus-and-msmq.md 1.13). */
export function hostIdOf(machine: string): string {
  const hash = createHash('sha256')
    .update(`${process.argv[1] ?? process.execPath}\n${machine}`)
    .digest('hex');
  return [hash.slice(0, 8), hash.slice(8, 12), hash.slice(12, 16), hash.slice(16, 20), hash.slice(20, 32)].join('-');
}
