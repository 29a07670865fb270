import { isNobodyThere } from '../../io/local-socket.ts';
import { NameFailure, type Names, type Network, NetworkFailure } from '../../io/network.ts';
import { type Examination, failed, ok, type StepResult, warning } from './examination.ts';

/**
 * Resolves the name of a database server and connects to each of its addresses. True when at least one of them answers; one
 * that does not is a warning then, because connections try it in its turn.
 */
export async function examineAddresses(examination: Examination, place: ExaminedPlace): Promise<boolean> {
  let addresses: readonly string[] = [];
  const isKnown = await examination.step('name', async () => {
    try {
      const answer = await place.names.resolve(place.host, NAME_TIMEOUT_MS);
      addresses = answer.addresses;
      return ok(`${place.host} is ${addresses.join(', ')} (${answer.source})`);
    } catch (error) {
      return nameFailed(error, place.host);
    }
  });
  if (!isKnown) {
    examination.skip('connect', `${place.host} has no address to connect to`);
    return false;
  }
  const answers = await Promise.all(addresses.map((address) => connectTo(place, address)));
  const isReached = answers.some(({ outcome }) => outcome === 'ok');
  for (const answer of answers) {
    const { mend = '' } = answer;
    const told = answer.outcome === 'failed' && isReached ? warning(answer.text, mend) : answer;
    await examination.step('connect', async () => told);
  }
  return isReached;
}

export interface ExaminedPlace {
  readonly host: string;
  readonly port: number;
  readonly names: Names;
  readonly network: Network;
  /** For people: 'PostgreSQL'. */
  readonly server: string;
}

const NAME_TIMEOUT_MS = 5000;
const CONNECT_TIMEOUT_MS = 5000;

async function connectTo({ network, port, server }: ExaminedPlace, address: string): Promise<StepResult> {
  try {
    const connection = await network.connect({ address, port, timeoutMs: CONNECT_TIMEOUT_MS });
    connection.destroy();
    return ok(`${address}, port ${port}, takes connections`);
  } catch (error) {
    return failed(textOf(error), connectMend(error, server, port));
  }
}

function connectMend(error: unknown, server: string, port: number): string {
  const code = error instanceof NetworkFailure ? error.code : 'OTHER';
  switch (code) {
    case 'REFUSED':
      return `Start ${server} there, let it listen on that address (not on loopback alone), or correct the port ${port}.`;
    case 'TIMEOUT':
      return `Silence: a firewall drops port ${port}, or the machine is off. Open it, or correct the name's address.`;
    case 'UNREACHABLE':
      return "This machine has no route there: correct the name's address, or the network of this machine.";
    default:
      return 'See what the system says of it.';
  }
}

function nameFailed(error: unknown, host: string): StepResult {
  const isUnknown = error instanceof NameFailure && error.code === 'NOT_FOUND';
  const mend = isUnknown
    ? `Correct the resource's host, or add ${host} to DNS or to the hosts file.`
    : 'See whether the name servers of this machine answer (/etc/resolv.conf).';
  return failed(textOf(error), mend);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A server on this machine that is reached by a socket file instead of a port. */
export async function examineSocketFile(
  examination: Examination,
  place: { readonly path: string; readonly server: string; connect(): Promise<void> },
): Promise<boolean> {
  return examination.step('connect', async () => {
    try {
      await place.connect();
      return ok(`${place.path} takes connections`);
    } catch (error) {
      const mend = isNobodyThere(error)
        ? `Start ${place.server}, or correct the path.`
        : 'Let this user open the socket file.';
      return failed(`${place.path}: ${textOf(error)}`, mend);
    }
  });
}
