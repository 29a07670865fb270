import type { Reason } from './reasons.ts';

/** What stands in the way in a word or two, for a column, and what to do about it. docs/troubleshooting.md has the whole. */
export interface ReasonWords {
  /** At most 20 characters. */
  readonly short: string;
  /** Undefined: nothing is to be done. */
  readonly mend: ((where: Where) => string) | undefined;
}

export interface Where {
  readonly machine: string;
  /** The outgoing queue, `billing@beta`, when it is about one. */
  readonly queue?: string;
  /** What is dialled. */
  readonly name: string;
  readonly address: string | undefined;
  readonly port: number;
}

export const REASON_WORDS: Readonly<Record<Reason, ReasonWords>> = {
  NOTHING_TO_SEND: { short: 'nothing to send', mend: undefined },
  NAME_NOT_FOUND: {
    short: 'name unknown',
    mend: ({ name, machine }) =>
      `Correct the name, make '${name}' known to DNS or the hosts file, or say where ${machine} is: ${override(machine)}.`,
  },
  NAME_SERVER_FAILED: {
    short: 'name server fails',
    mend: ({ name, machine }) =>
      `See why the name server cannot answer for '${name}', or say where ${machine} is: ${override(machine)}.`,
  },
  NAME_TIMEOUT: {
    short: 'name server silent',
    mend: ({ machine }) =>
      `See whether the name servers of this machine can be reached (/etc/resolv.conf), or say where ${machine} is: ${override(machine)}.`,
  },
  CONNECT_REFUSED: {
    short: 'nothing listens',
    mend: ({ machine, port, ...where }) =>
      `Start the queue manager of ${machine} with a listener on port ${port}, and see 'posthorn incoming' there. If it listens on another port, say so here: ${override(machine)}.${ifNameIsWrong(machine, addressOf(where))}`,
  },
  CONNECT_TIMEOUT: {
    short: 'no answer',
    mend: ({ machine, port, ...where }) =>
      `Let TCP port ${port} to ${addressOf(where)} through the firewalls on both sides and between them, and see whether ${machine} is up. If it has another address now, correct the name.`,
  },
  UNREACHABLE: {
    short: 'no way there',
    mend: ({ machine, ...where }) =>
      `See whether ${machine} is up and still at ${addressOf(where)}: if it has another address now, correct the name. If not, see this machine's network and route ('ip route get ${addressOf(where)}').`,
  },
  RESET: {
    short: 'connection broke',
    mend: ({ machine, port }) =>
      `See the log of ${machine} at that time, 'posthorn incoming' there, and what stands between that may cut connections to port ${port}.`,
  },
  PEER_SILENT: {
    short: 'fell silent',
    mend: ({ machine }) =>
      `Connected, then nothing was heard any more: see whether ${machine} hangs, is overloaded or has another address now, or what between drops packets.`,
  },
  HANDSHAKE_TIMEOUT: {
    short: 'no handshake',
    mend: ({ machine, port, ...where }) =>
      `Something at ${addressOf(where)}:${port} takes the connection and says nothing: see whether it is ${machine}'s queue manager, whether that hangs, or whether a proxy answers for it.`,
  },
  STALE_ADDRESS: {
    short: 'old address only',
    mend: ({ machine, name, ...where }) =>
      `The name '${name}' does not resolve, and at the last known address ${addressOf(where)} is not ${machine} any more: correct the name.`,
  },
  WRONG_HOST: {
    short: 'another machine',
    mend: ({ machine, name, ...where }) =>
      `At ${addressOf(where)} stands another machine: correct the address of '${name}', or give the queue manager there the name '${machine}' among its aliases if it is meant.`,
  },
  NOT_POSTHORN: {
    short: 'not Posthorn',
    mend: ({ machine, port, ...where }) =>
      `Another program answers at ${addressOf(where)}:${port}: stop it, or say where ${machine} listens: ${override(machine)}.`,
  },
  VERSION: {
    short: 'other version',
    mend: ({ machine }) => `Bring this machine and ${machine} to versions of Posthorn that know a common protocol.`,
  },
  DUPLICATE_STORE: {
    short: 'store in use twice',
    mend: () =>
      'Two processes run on copies of one data directory: stop one of them, and begin anew with an empty directory in its place.',
  },
  TOO_MANY_CONNECTIONS: {
    short: 'too many links',
    mend: ({ machine }) => `See 'posthorn incoming' on ${machine} for who holds its connections.`,
  },
  PEER_SHUTTING_DOWN: {
    short: 'peer is stopping',
    mend: ({ machine }) => `Start the queue manager of ${machine} again.`,
  },
  NO_TLS: {
    short: 'peer has no TLS',
    mend: ({ machine, port }) =>
      `Give ${machine} keys ('posthorn keys'), so that it speaks TLS on port ${port}; or see whether another program listens there.`,
  },
  TLS_REQUIRED: {
    short: 'peer wants TLS',
    mend: ({ machine }) => `Give this machine keys of the authority that ${machine} trusts ('posthorn keys').`,
  },
  TLS_FAILED: {
    short: 'TLS failed',
    mend: ({ machine }) => `See the text for what TLS said, and 'posthorn incoming' on ${machine} for what it saw.`,
  },
  CERTIFICATE_UNTRUSTED: {
    short: 'unknown authority',
    mend: ({ machine }) =>
      `Let one authority sign the certificates of this machine and of ${machine}, or name both in 'authorities' ('posthorn keys').`,
  },
  CERTIFICATE_EXPIRED: {
    short: 'expired certificate',
    mend: ({ machine }) =>
      `Make a new certificate for ${machine} ('posthorn keys'); it is read without a restart. See that the clocks are right.`,
  },
  CERTIFICATE_NOT_YET_VALID: {
    short: 'certif. not valid',
    mend: ({ machine }) => `Correct the clock of this machine or of ${machine}: its certificate begins in the future.`,
  },
  CERTIFICATE_OF_ANOTHER_MACHINE: {
    short: "another's certif.",
    mend: ({ machine, name }) =>
      `Give ${machine} a certificate with the name '${machine}' ('posthorn keys'); if another machine answers, correct the address of '${name}'.`,
  },
  CERTIFICATE_MISSING: {
    short: 'no certificate',
    mend: ({ machine }) => `Give ${machine} a certificate ('posthorn keys').`,
  },
  CERTIFICATE_REFUSED: {
    short: 'our certif. refused',
    mend: ({ machine }) =>
      `See 'posthorn incoming' on ${machine} for why: make this machine a certificate that ${machine}'s authorities have signed, that has this machine's name and has not expired ('posthorn keys').`,
  },
  QUEUE_FULL: {
    short: 'queue full there',
    mend: ({ machine, ...where }) =>
      `Start or speed up the endpoint of that queue on ${machine}, or raise its quota there ('posthorn queues create ${nameOf(where)} --quota-messages N').`,
  },
  STORE_FULL: { short: 'disk full there', mend: ({ machine }) => `Make room on the disk of ${machine}.` },
  BUSY: { short: 'peer is busy', mend: undefined },
  QUEUE_NOT_YET_THERE: {
    short: 'no queue there yet',
    mend: ({ machine, ...where }) =>
      `Start the endpoint on ${machine}, or make the queue there: 'posthorn queues create ${nameOf(where)}'. Half a minute after its start messages for it go to the dead-letter queue here.`,
  },
  STORE_RECOVERING: {
    short: 'disk trouble there',
    mend: ({ machine }) =>
      `See the disk and the log of ${machine}; its store reopens by itself when the disk writes again.`,
  },
  RESYNCHRONIZING: { short: 'resynchronizing', mend: undefined },
  OPERATOR: {
    short: 'held by operator',
    mend: ({ queue, machine }) => `Let it go: 'posthorn outgoing release ${queue ?? machine}'.`,
  },
  RESYNC_NEEDED: {
    short: 'needs a decision',
    mend: ({ queue, machine }) =>
      `The store of ${machine} is not the one that was sent to: see the text; 'posthorn outgoing release ${queue ?? machine}' sends again what may have been sent before.`,
  },
  LOCAL_STORE: {
    short: 'disk trouble here',
    mend: () => "See the disk of this machine and 'posthorn queues'; it goes on by itself when the store writes again.",
  },
  PLAINTEXT_NOT_ALLOWED: {
    short: 'TLS needed here',
    mend: () =>
      "Give both machines keys ('posthorn keys'); or, on a network where everybody may read and forge, set allowPlaintext.",
  },
  SHUTDOWN: { short: 'stopping here', mend: undefined },
};

function override(machine: string): string {
  return `machines: { "${machine}": "host:port" } in network.json`;
}

/** What the queue is called on its own machine. */
function nameOf({ queue }: { readonly queue?: string }): string {
  return queue?.split('@')[0] ?? 'NAME';
}

/** Nothing where an address was given instead of a name. */
function ifNameIsWrong(machine: string, address: string): string {
  return address === machine ? '' : ` If ${address} is not ${machine}, correct the name.`;
}

function addressOf(where: { readonly name?: string; readonly address: string | undefined }): string {
  return where.address ?? where.name ?? 'its address';
}
