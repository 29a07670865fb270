import { connect } from 'node:net';

/** Tries to connect, as somebody who looks from outside: does anybody listen there? */
export function whoListens(address: string, port: number): Promise<'answers' | 'refuses'> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve('answers');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') resolve('refuses');
      else reject(error);
    });
  });
}
