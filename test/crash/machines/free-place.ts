import { createServer } from 'node:net';
import { nodeIo } from '../../../src/io/node-io.ts';

/**
 * An address of loopback and a port that stay free while nobody listens there: not of those that the system gives to whoever
 * connects, or a connection of the other machine could take it, or even meet itself there.
 */
export async function freePlace(): Promise<Place> {
  const { random } = nodeIo();
  const between = (from: number, to: number): number => from + Math.floor(random.fraction() * (to - from));
  for (;;) {
    const place = {
      address: `127.${between(1, 255)}.${between(0, 255)}.${between(1, 255)}`,
      port: between(20_000, 32_000),
    };
    if (await isFree(place)) return place;
  }
}

export interface Place {
  readonly address: string;
  readonly port: number;
}

function isFree({ address, port }: Place): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen(port, address, () => server.close(() => resolve(true)));
  });
}
