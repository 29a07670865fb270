import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A port of 127.0.0.1 that nobody listens on. It lies below the range that systems give to outgoing connections, so that
 * none of those takes it while its server is restarted.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    if (await isFree(port)) return port;
  }
  throw new Error(`None of ${TRIES_MAX} ports between ${PORT_MIN} and ${PORT_MAX} was free.`);
}

const PORT_MIN = 20_001;
const PORT_MAX = 32_000;
const TRIES_MAX = 50;

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
