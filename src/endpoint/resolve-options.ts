import type { Io } from '../io/io.ts';
import type { Logger } from '../io/logger.ts';
import { nodeIo } from '../io/node-io.ts';
import { stderrLogger } from '../io/stderr-logger.ts';
import { type Address, parseAddress } from '../message/address.ts';
import { checkedNameOf } from '../message/check-message-type.ts';
import { InvalidOption } from '../message/errors.ts';
import { checkOptions } from '../message/option-shapes.ts';
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
import { type EndpointOptions, TRANSACTION_TIMEOUT_MS } from './endpoint-options.ts';
import { ENDPOINT_OPTIONS } from './option-shapes.ts';
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
  checkOptions(options, ENDPOINT_OPTIONS);
  const isClient = options.role === 'client';
  const mode = modeOf(options, isClient);
  const concurrency = options.concurrency ?? Math.max(2, cores);
  const timeoutMs = options.transactions?.timeoutMs ?? TRANSACTION_TIMEOUT_MS;
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

function modeOf(options: EndpointOptions<Resource>, isClient: boolean): TransactionMode {
  const wanted = options.transactions?.mode;
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
  refuseRetries('recoverability.', options, mode);
  for (const [index, rule] of (options.rules ?? []).entries()) {
    refuseRetries(`recoverability.rules[${index}].`, rule, mode);
    if (rule.whenMessage !== undefined) checkedNameOf(rule.whenMessage);
  }
  const defaults = mode === 'none' ? { ...RECOVERABILITY_DEFAULTS, ...NO_RETRIES } : RECOVERABILITY_DEFAULTS;
  const { policy: _policy, rateLimit: _rateLimit, ...config } = options;
  return { ...defaults, ...definedOf(config) };
}

const NO_RETRIES = { immediateRetries: 0, delayedRetries: 0 };

function refuseRetries(prefix: string, retries: Partial<RetryConfig>, mode: TransactionMode): void {
  if (mode !== 'none') return;
  for (const option of ['immediateRetries', 'delayedRetries'] as const) {
    if ((retries[option] ?? 0) === 0) continue;
    const why = `is ${retries[option]}, but in mode 'none' a message has left its queue before its handler runs`;
    throw new InvalidOption(prefix + option, why, 'Leave it out, or use another transactions.mode.');
  }
}

function checkPublishers({ sendOnly, publishers }: EndpointOptions<Resource>): void {
  if (sendOnly !== true || (publishers ?? []).length === 0) return;
  throw new InvalidOption(
    'publishers',
    'is given to a send-only endpoint, which has no queue for events',
    'Leave it out.',
  );
}

/** An option that is there but undefined means: not said. */
function definedOf<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
