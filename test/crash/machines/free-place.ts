import { randomInt } from 'node:crypto';
import { freePort } from '../../../tools/free-port.ts';

/** An address of loopback and a port that stay free while nobody listens there. */
export async function freePlace(): Promise<Place> {
  const address = `127.${randomInt(1, 255)}.${randomInt(0, 255)}.${randomInt(1, 255)}`;
  return { address, port: await freePort(address) };
}

export interface Place {
  readonly address: string;
  readonly port: number;
}
