import type { Io } from '../io/io.ts';
import type { Logger } from '../io/logger.ts';
import { nodeIo } from '../io/node-io.ts';
import { stderrLogger } from '../io/stderr-logger.ts';
import { type Address, parseAddress } from '../message/address.ts';
import { checkMessageType } from '../message/check-message-type.ts';
import { nameOf } from '../message/contract.ts';
import { InvalidOption } from '../message/errors.ts';
import type { TransactionMode } from '../pipeline/message-transaction.ts';
import { Serializers } from '../pipeline/serializers.ts';
import {
  RECOVERABILITY_DEFAULTS,
  type RecoverabilityConfig,
  type RecoverabilityOptions,
  type RecoverabilityPolicy,
  type RetryConfig,
} from '../recoverability/recoverability-config.ts';
import { recoverabilityPolicy } from '../recoverability/recoverability-policy.ts';
import { Publishers } from '../routing/publisher.ts';
import { Routes } from '../routing/route.ts';
import type { ProtocolChoice, SendsVisible } from '../transactions/distributed-transaction.ts';
import type { Resource } from '../transactions/resource.ts';
import type { IsolationLevel, ResourceManager } from '../transactions/resource-manager.ts';
import { type ConfiguredQueue, configuredQueues, refuseOwnQueue } from './configured-queues.ts';
import { type EndpointOptions, TRANSACTION_TIMEOUT_MS, type TransactionOptions } from './endpoint-options.ts';
import { resolveResources } from './resolve-resources.ts';

/** The options as given, checked, with every default filled in. */
export interface ResolvedOptions {
  readonly given: EndpointOptions<Resource>;
  readonly mode: TransactionMode;
  readonly timeoutMs: number;
  readonly isolationLevel: IsolationLevel;
  readonly protocol: ProtocolChoice;
  readonly sendsVisible: SendsVisible;
  readonly resources: readonly ResourceManager[];
  readonly concurrency: number;
  readonly purgeOnStart: boolean;
  readonly autoSubscribe: boolean;
  readonly isSendOnly: boolean;
  readonly recoverability: RecoverabilityConfig;
  readonly policy: RecoverabilityPolicy;
  readonly routes: Routes;
  readonly publishers: Publishers;
  /** The error queues and the audit queue. */
  readonly queues: readonly ConfiguredQueue[];
  readonly serializers: Serializers;
  readonly auditQueue: Address | undefined;
  readonly logger: Logger;
  readonly io: Io;
}

/**
 * Checks the name and options of an endpoint.
 *
 * @param cores - of this machine; the default concurrency follows it
 * @throws {InvalidOption} naming the option and the mend
 */
export function resolveOptions(name: string, options: EndpointOptions<Resource>, cores: number): ResolvedOptions {
  if (parseAddress(name).machine !== undefined) {
    throw new InvalidOption(
      'name',
      `is '${name}'`,
      "Name the endpoint without '@': it lives on its queue manager's machine.",
    );
  }
  checkNames('', options, ENDPOINT_OPTIONS);
  checkNames('transactions.', options.transactions, TRANSACTION_OPTIONS);
  checkNames('audit.', options.audit, AUDIT_OPTIONS);
  checkOneOf('role', options.role, ['server', 'client']);
  const isClient = options.role === 'client';
  const mode = modeOf(options, isClient);
  const concurrency = options.concurrency ?? Math.max(2, cores);
  checkConcurrency(concurrency);
  const timeoutMs = options.transactions?.timeoutMs ?? TRANSACTION_TIMEOUT_MS;
  checkCount('transactions.timeoutMs', timeoutMs, 1);
  const recoverability = resolveRecoverability(options.recoverability ?? {}, mode);
  const queues = configuredQueues(recoverability, options);
  // Which machine is this one is known at the start; by then those with a machine are checked too.
  if (options.sendOnly !== true) refuseOwnQueue(name, queues, (machine) => machine === undefined);
  checkPublishers(options);
  return {
    given: options,
    mode,
    timeoutMs,
    isolationLevel: options.transactions?.isolationLevel ?? 'read committed',
    protocol: options.transactions?.protocol ?? 'auto',
    sendsVisible: options.transactions?.sendsVisible ?? 'afterBranches',
    resources: resolveResources(options.resources ?? []),
    concurrency,
    purgeOnStart: options.purgeOnStart ?? isClient,
    autoSubscribe: options.autoSubscribe ?? true,
    isSendOnly: options.sendOnly ?? false,
    recoverability,
    policy: options.recoverability?.policy ?? recoverabilityPolicy,
    routes: new Routes(options.routes ?? []),
    publishers: new Publishers(options.publishers ?? []),
    queues,
    serializers: new Serializers(options.serializers ?? []),
    auditQueue: options.audit === undefined ? undefined : parseAddress(options.audit.queue),
    logger: options.logger ?? stderrLogger(),
    io: options.io ?? nodeIo(),
  };
}

export function checkConcurrency(concurrency: number): void {
  checkCount('concurrency', concurrency, 1);
}

const ENDPOINT_OPTIONS: readonly (keyof EndpointOptions)[] = [
  'queueManager',
  'directory',
  'role',
  'sendOnly',
  'concurrency',
  'transactions',
  'resources',
  'recoverability',
  'routes',
  'publishers',
  'contracts',
  'serializers',
  'audit',
  'purgeOnStart',
  'autoSubscribe',
  'logger',
  'onCriticalError',
  'io',
];
const TRANSACTION_OPTIONS: readonly (keyof TransactionOptions)[] = [
  'mode',
  'timeoutMs',
  'isolationLevel',
  'protocol',
  'sendsVisible',
];
const AUDIT_OPTIONS = ['queue'];
const RETRY_OPTIONS: readonly (keyof RetryConfig)[] = [
  'immediateRetries',
  'delayedRetries',
  'delayedRetryIncreaseMs',
  'backoff',
  'delayedRetryMaxMs',
  'jitter',
  'errorQueue',
];
const RECOVERABILITY_OPTIONS: readonly (keyof RecoverabilityOptions)[] = [
  ...RETRY_OPTIONS,
  'unrecoverableErrors',
  'rules',
  'policy',
  'rateLimit',
];
const RULE_OPTIONS = [...RETRY_OPTIONS, 'whenError', 'whenMessage', 'unrecoverable', 'discard'];
const RATE_LIMIT_OPTIONS = ['afterConsecutiveFailures', 'pauseMs', 'countsError'];
const ISOLATION_LEVELS = ['read committed', 'repeatable read', 'serializable'];
const PROTOCOLS: readonly ProtocolChoice[] = ['auto', 'marker', 'twoPhase'];
const SENDS_VISIBLE: readonly SendsVisible[] = ['afterBranches', 'atDecision'];
const MODES = ['none', 'receiveOnly', 'sendsAtomicWithReceive', 'distributed'] as const;

function modeOf(options: EndpointOptions<Resource>, isClient: boolean): TransactionMode {
  const { mode: wanted, isolationLevel, protocol, sendsVisible } = options.transactions ?? {};
  checkOneOf('transactions.mode', wanted, MODES);
  checkOneOf('transactions.isolationLevel', isolationLevel, ISOLATION_LEVELS);
  checkOneOf('transactions.protocol', protocol, PROTOCOLS);
  checkOneOf('transactions.sendsVisible', sendsVisible, SENDS_VISIBLE);
  const hasResources = (options.resources ?? []).length > 0;
  const usual = isClient ? 'none' : hasResources ? 'distributed' : 'sendsAtomicWithReceive';
  const mode = wanted ?? usual;
  if (hasResources && mode !== 'distributed') {
    throw new InvalidOption(
      'resources',
      `is given, but ${wanted === undefined ? "the role 'client' means" : 'transactions.mode is'} '${mode}', which takes no databases along`,
      "Say transactions: { mode: 'distributed' }, or leave the resources out.",
    );
  }
  return mode;
}

/** Without a transaction a failed message cannot be retried: asking for it is refused, and the defaults are 0. */
function resolveRecoverability(options: RecoverabilityOptions, mode: TransactionMode): RecoverabilityConfig {
  checkNames('recoverability.', options, RECOVERABILITY_OPTIONS);
  checkRetries('recoverability.', options, mode);
  for (const [index, rule] of (options.rules ?? []).entries()) {
    const prefix = `recoverability.rules[${index}].`;
    checkNames(prefix, rule, RULE_OPTIONS);
    checkRetries(prefix, rule, mode);
    if (rule.whenMessage !== undefined) checkMessageType(nameOf(rule.whenMessage));
  }
  const { rateLimit } = options;
  checkNames('recoverability.rateLimit.', rateLimit, RATE_LIMIT_OPTIONS);
  if (rateLimit !== undefined) {
    checkCount('recoverability.rateLimit.afterConsecutiveFailures', rateLimit.afterConsecutiveFailures, 1);
    checkCount('recoverability.rateLimit.pauseMs', rateLimit.pauseMs, 0);
  }
  const defaults = mode === 'none' ? { ...RECOVERABILITY_DEFAULTS, ...NO_RETRIES } : RECOVERABILITY_DEFAULTS;
  const { policy: _policy, rateLimit: _rateLimit, ...config } = options;
  return { ...defaults, ...definedOf(config) };
}

const NO_RETRIES = { immediateRetries: 0, delayedRetries: 0 };

function checkRetries(prefix: string, retries: Partial<RetryConfig>, mode: TransactionMode): void {
  for (const option of ['immediateRetries', 'delayedRetries'] as const) {
    checkCount(prefix + option, retries[option], 0);
    if (mode === 'none' && (retries[option] ?? 0) > 0) {
      const why = `is ${retries[option]}, but in mode 'none' a message has left its queue before its handler runs`;
      throw new InvalidOption(prefix + option, why, 'Leave it out, or use another transactions.mode.');
    }
  }
  checkCount(`${prefix}delayedRetryIncreaseMs`, retries.delayedRetryIncreaseMs, 0);
  checkCount(`${prefix}delayedRetryMaxMs`, retries.delayedRetryMaxMs, 0);
  checkOneOf(`${prefix}backoff`, retries.backoff, ['linear', 'exponential']);
  const { jitter, errorQueue } = retries;
  if (jitter !== undefined && !(jitter >= 0 && jitter <= 1)) {
    throw new InvalidOption(`${prefix}jitter`, `is ${jitter}`, 'Give a part of the delay, from 0 to 1.');
  }
  if (errorQueue !== undefined) parseAddress(errorQueue);
}

function checkPublishers({ sendOnly, publishers }: EndpointOptions<Resource>): void {
  if (sendOnly !== true || (publishers ?? []).length === 0) return;
  throw new InvalidOption(
    'publishers',
    'is given to a send-only endpoint, which has no queue for events',
    'Leave it out.',
  );
}

function checkNames(prefix: string, options: object | undefined, known: readonly string[]): void {
  for (const name of Object.keys(options ?? {})) {
    if (!known.includes(name)) throw InvalidOption.unknown(prefix + name, known);
  }
}

function checkCount(option: string, count: number | undefined, countMin: number): void {
  if (count === undefined || (Number.isInteger(count) && count >= countMin)) return;
  throw new InvalidOption(option, `is ${count}`, `Give a whole number, ${countMin} or more.`);
}

function checkOneOf(option: string, value: string | undefined, known: readonly string[]): void {
  if (value === undefined || known.includes(value)) return;
  throw new InvalidOption(option, `is '${value}'`, `Give one of: ${known.join(', ')}.`);
}

/** An option that is there but undefined means: not said. */
function definedOf<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
