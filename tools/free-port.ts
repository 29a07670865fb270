import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A port of this address that nobody listens on. It lies below the range that systems give to outgoing connections, so that
 * none of those takes it, or even meets itself there, while its server is restarted.
 */
export async function freePort(address = '127.0.0.1'): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    if (await isFree(port, address)) return port;
  }
  throw new Error(`None of ${TRIES_MAX} ports between ${PORT_MIN} and ${PORT_MAX} of ${address} was free.`);
}

const PORT_MIN = 20_001;
const PORT_MAX = 32_000;
const TRIES_MAX = 50;

async function isFree(port: number, address: string): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, address);
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
