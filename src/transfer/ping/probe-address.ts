import { addressWithPort, isLoopback } from '../../io/ip-address.ts';
import type { Link } from '../links/link.ts';
import type { PingStep } from '../ping-report.ts';
import type { Where } from '../reason-words.ts';
import type { PingDoors } from './ping-doors.ts';
import { type PingFailure, pingFailureOf } from './ping-failure.ts';
import { failedStep, PING_STEPS, passedStep, skippedStep } from './ping-steps.ts';
import { ProbeLink } from './probe-link.ts';

/** What one address of a machine answered; `probe` is open when it is the machine, and is to be closed. */
export interface ProbedAddress {
  readonly address: string;
  /** connect, tls, identity, version; none behind the one that failed. */
  readonly steps: readonly PingStep[];
  readonly probe: ProbeLink | undefined;
}

export type ProbedWhere = Where & { readonly address: string };

/** Connects to one address and asks who is there. Never rejects for what it finds; gives up when `signal` says so. */
export async function probeAddress(where: ProbedWhere, doors: PingDoors, signal: AbortSignal): Promise<ProbedAddress> {
  const { machine, address, port } = where;
  if (!doors.usesTls && !doors.settings.allowPlaintext && !isLoopback(address)) {
    return { address, steps: [skippedStep('connect', 'not tried', address), plaintextStep(where)], probe: undefined };
  }
  const begunMs = doors.clock.monotonicNowMs();
  try {
    const connectTimeoutMs = CONNECT_MS_MAX;
    const probe = await inTime(doors.openLink({ machine, address, port, connectTimeoutMs, signal }), signal);
    return { address, steps: passedSteps(where, probe, doors.clock.monotonicNowMs() - begunMs), probe };
  } catch (error) {
    const failure = signal.aborted ? NO_WORD : pingFailureOf(error, doors.usesTls);
    return { address, steps: [...stepsBefore(failure, where, doors), failedStep(failure, where)], probe: undefined };
  }
}

/** Rejects when `signal` aborts; a link that comes later is closed. */
async function inTime(opening: Promise<Link>, signal: AbortSignal): Promise<ProbeLink> {
  const probing = opening.then((link) => new ProbeLink(link));
  const over = Promise.withResolvers<never>();
  const onAbort = (): void => {
    over.reject(signal.reason);
    probing.then(
      (probe) => probe.close(),
      // It failed, as it was told to.
      () => undefined,
    );
  };
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([probing, over.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function passedSteps({ address, port }: ProbedWhere, probe: ProbeLink, tookMs: number): readonly PingStep[] {
  const { peer, isEncrypted } = probe.link;
  return [
    passedStep('connect', `${addressWithPort(address, port)} takes connections`, { address, tookMs }),
    isEncrypted
      ? passedStep('tls', 'both certificates hold', { address })
      : skippedStep('tls', 'without TLS, as this machine is set', address),
    passedStep('identity', `it is ${peer.machine}, store ${peer.storeId.slice(0, 8)}`, { address }),
    passedStep('version', `Posthorn ${peer.version}`, { address }),
  ];
}

/** What must have gone well for the failure to be met. */
function stepsBefore({ step }: PingFailure, { address, port }: ProbedWhere, doors: PingDoors): readonly PingStep[] {
  const place = addressWithPort(address, port);
  const passed = {
    connect: passedStep('connect', `${place} takes connections`, { address }),
    tls: doors.usesTls
      ? passedStep('tls', 'both certificates hold', { address })
      : skippedStep('tls', 'without TLS, as this machine is set', address),
    identity: passedStep('identity', `${place} is a queue manager`, { address }),
  } as const;
  return PING_STEPS.slice(1, PING_STEPS.indexOf(step)).flatMap((before) =>
    before === 'connect' || before === 'tls' || before === 'identity' ? [passed[before]] : [],
  );
}

function plaintextStep(where: ProbedWhere): PingStep {
  const text = 'This machine has no keys, and without TLS it sends nothing beyond loopback.';
  return failedStep({ step: 'tls', reason: 'PLAINTEXT_NOT_ALLOWED', text }, where);
}

const NO_WORD: PingFailure = { step: 'identity', reason: 'HANDSHAKE_TIMEOUT', text: 'No word came in time.' };

const CONNECT_MS_MAX = 3_000;
