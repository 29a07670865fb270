import { readFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';

/*
 * Another program on a host of a network test: `node stranger-process.ts WHAT [ARGUMENT]`. It prints `ready` when it does
 * what was asked:
 *   mail              listens on port 1801 and greets as a mail server does
 *   mute              listens on port 1801 and says nothing
 *   web KEYS          a web server with TLS on port 1801, with the keys of that folder
 *   dial ADDRESS      connects to port 1801 there with TLS and no certificate, and prints `ended HOW` when that is over
 */

const [what, argument = ''] = process.argv.slice(2);
const ready = (): void => void process.stdout.write('ready\n');

switch (what) {
  case 'mail':
    createServer((socket) => socket.on('error', ignore).write('220 mail.example ESMTP\r\n')).listen(1801, ready);
    break;
  case 'mute':
    createServer((socket) => socket.on('error', ignore).resume()).listen(1801, ready);
    break;
  case 'web': {
    const [key, cert, ca] = ['machine.key', 'machine.crt', 'authority.crt'].map((name) =>
      readFileSync(join(argument, name), 'utf8'),
    );
    createHttpsServer({ key, cert, ca, requestCert: true }, (_, response) => response.end('hello')).listen(1801, ready);
    break;
  }
  case 'dial': {
    // It is a test's stranger: it trusts everybody.
    const socket = connect({ host: argument, port: 1801, rejectUnauthorized: false });
    let how = 'in good order';
    socket.on('error', ({ message }) => {
      how = message;
    });
    socket.on('close', () => void process.stdout.write(`ended ${how}\n`)).resume();
    ready();
    break;
  }
}

/** Whoever looks goes away in its own way. */
function ignore(): void {}
