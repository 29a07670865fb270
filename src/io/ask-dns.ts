import { Resolver } from 'node:dns/promises';
import { ipAddress } from './ip-address.ts';
import { type NameAnswer, NameFailure } from './network.ts';
import { nodeIo } from './node-io.ts';
import { candidatesOf, type ResolverConfiguration } from './resolver-configuration.ts';

/**
 * Asks the name servers for the addresses of a name, both families at once, until `timeoutMs`.
 *
 * One name after the other of those that the search list makes; for each, the first server, and the next one as soon as
 * that fails or stays silent for its share of the time. `it does not exist` is an answer and ends the search for that name;
 * a server that fails or is silent says nothing about it: NOT_FOUND only when it was answered for every name and family.
 */
export async function askDns(
  name: string,
  configuration: ResolverConfiguration,
  timeoutMs: number,
): Promise<NameAnswer> {
  const { servers } = configuration;
  const failures: ServerSilence[] = [];
  const candidates = candidatesOf(name, configuration);
  const deadlineMs = nodeIo().clock.monotonicNowMs() + timeoutMs;
  for (const candidate of candidates) {
    const leftMs = deadlineMs - nodeIo().clock.monotonicNowMs();
    if (leftMs <= 0) break;
    const answer = await askServers(candidate, servers, leftMs);
    if ('addresses' in answer && answer.addresses.length > 0)
      return { addresses: answer.addresses, source: `DNS ${answer.server}` };
    if ('failed' in answer) failures.push(answer);
  }
  throw failureOf(name, candidates, servers, failures, timeoutMs);
}

/** What a server said of a name: no addresses means that it has none. */
interface ServerAnswer {
  readonly server: string;
  readonly addresses: readonly string[];
}

interface ServerSilence {
  readonly server: string;
  /** `ETIMEOUT`, or what the server or the way to it said. */
  readonly failed: string;
}

function failureOf(
  name: string,
  candidates: readonly string[],
  servers: readonly string[],
  failures: readonly ServerSilence[],
  timeoutMs: number,
): NameFailure {
  const broken = failures.find(({ failed }) => failed !== TIMEOUT);
  if (broken !== undefined)
    return new NameFailure('SERVER_FAILED', `DNS ${broken.server} failed for '${name}' (${broken.failed}).`);
  const asked = servers.join(', ');
  if (failures.length > 0)
    return new NameFailure('TIMEOUT', `No DNS server answered for '${name}' within ${timeoutMs} ms (${asked}).`);
  const tried = candidates.length > 1 ? `, nor for ${candidates.filter((one) => one !== name).join(', ')}` : '';
  return new NameFailure('NOT_FOUND', `DNS ${asked} has no address for '${name}'${tried}; no file names it.`);
}

/** The first answer of the servers, or how the last of them failed: a failure says more than silence. */
function askServers(
  name: string,
  servers: readonly string[],
  timeoutMs: number,
): Promise<ServerAnswer | ServerSilence> {
  return new Promise((resolve) => {
    const { timers } = nodeIo();
    const asked: Resolver[] = [];
    const silences: ServerSilence[] = [];
    let isSettled = false;
    const settle = (answer: ServerAnswer | ServerSilence): void => {
      isSettled = true;
      deadline.cancel();
      next.cancel();
      for (const resolver of asked) resolver.cancel();
      resolve(answer);
    };
    const silent = (): ServerSilence =>
      silences.find(({ failed }) => failed !== TIMEOUT) ?? { server: servers[0] ?? '', failed: TIMEOUT };
    const deadline = timers.after(timeoutMs, () => settle(silent()), { keepsProcessAlive: true });
    let next = { cancel: (): void => undefined };
    const askNext = (): void => {
      next.cancel();
      const server = servers[asked.length];
      if (server === undefined) return;
      const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES });
      asked.push(resolver);
      next = timers.after(timeoutMs / servers.length, askNext);
      void askOne(resolver, server, name).then((answer) => {
        if (isSettled) return;
        if ('addresses' in answer) return settle(answer);
        silences.push(answer);
        if (silences.length === servers.length) settle(silent());
        else askNext();
      });
    };
    askNext();
  });
}

const TIMEOUT = 'ETIMEOUT';
/** A packet that was lost is sent again after this, then after twice as long, and so on. */
const TRY_MS = 1000;
const TRIES = 4;
/** When one family has answered, the other may take so long. */
const OTHER_FAMILY_MS = 500;

async function askOne(resolver: Resolver, server: string, name: string): Promise<ServerAnswer | ServerSilence> {
  try {
    resolver.setServers([server]);
  } catch (error) {
    return { server, failed: codeOf(error) };
  }
  const families = [ask(resolver.resolve4(name)), ask(resolver.resolve6(name))];
  const [first, second] = await inTime(families);
  const addresses = [...(first?.addresses ?? []), ...(second?.addresses ?? [])];
  if (addresses.length > 0) return { server, addresses };
  const failed = first?.failed ?? second?.failed;
  return failed === undefined ? { server, addresses: [] } : { server, failed };
}

interface FamilyAnswer {
  readonly addresses: readonly string[];
  readonly failed: string | undefined;
}

async function ask(question: Promise<readonly string[]>): Promise<FamilyAnswer> {
  try {
    const addresses = await question;
    return { addresses: addresses.map((address) => ipAddress(address) ?? address), failed: undefined };
  } catch (error) {
    const code = codeOf(error);
    return { addresses: [], failed: SAYS_NO.has(code) ? undefined : SILENT.has(code) ? TIMEOUT : code };
  }
}

/** No such name; the name has no address of that family; it cannot be a name. */
const SAYS_NO: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME']);
const SILENT: ReadonlySet<string> = new Set(['ETIMEOUT', 'ECANCELLED']);

/** The answers of both families; of one only, when it has addresses and the other takes much longer. */
function inTime(families: readonly Promise<FamilyAnswer>[]): Promise<readonly (FamilyAnswer | undefined)[]> {
  return new Promise((resolve) => {
    const answers: (FamilyAnswer | undefined)[] = families.map(() => undefined);
    let patience: { cancel(): void } | undefined;
    for (const [index, family] of families.entries()) {
      void family.then((answer) => {
        answers[index] = answer;
        if (!answers.includes(undefined)) {
          patience?.cancel();
          resolve(answers);
        } else if (answer.addresses.length > 0) {
          patience = nodeIo().timers.after(OTHER_FAMILY_MS, () => resolve([...answers]));
        }
      });
    }
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
