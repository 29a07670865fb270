import { createInterface } from 'node:readline';
import { openNameServer, type Said } from '../support/name-server.ts';

/*
 * A name server in a process of its own: `node name-server-process.ts ADDRESS`. Lines on its standard input change what it
 * answers: `NAME ADDRESS…`; with no address the name does not exist. `!silence` or `!failure` in place of addresses is not
 * answered, or answered with a failure. It prints `ready`, then `done` after each change, and `asked NAME BY` for each question.
 */

const [address = ''] = process.argv.slice(2);
const said = new Map<string, Said>();
await openNameServer({
  address,
  port: 53,
  say: (name, _, askedBy) => {
    process.stdout.write(`asked ${name} ${askedBy}\n`);
    return said.get(name) ?? 'no such name';
  },
});

createInterface({ input: process.stdin }).on('line', (line) => {
  const [name = '', ...addresses] = line.trim().toLowerCase().split(/\s+/);
  said.set(name, saidOf(addresses));
  process.stdout.write('done\n');
});
process.stdin.on('end', () => process.exit(0));
process.stdout.write('ready\n');

function saidOf(addresses: readonly string[]): Said {
  if (addresses[0] === '!silence') return 'silence';
  if (addresses[0] === '!failure') return 'failure';
  return addresses.length === 0 ? 'no such name' : addresses;
}
