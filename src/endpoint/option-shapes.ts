import { isContract } from '../message/contract.ts';
import {
  ANYTHING,
  checkOption,
  FLAG,
  FUNCTION,
  having,
  isObject,
  LIST,
  listOf,
  named,
  OBJECT,
  oneOf,
  type Shape,
  type Shapes,
  TEXT,
  WAIT_MS,
  wholeNumber,
} from '../message/option-shapes.ts';
import type { Serializer } from '../pipeline/serializer.ts';
import type {
  RateLimitOptions,
  RecoverabilityOptions,
  RecoverabilityRule,
  RetryConfig,
} from '../recoverability/recoverability-config.ts';
import type { Resource } from '../transactions/resource.ts';
import type { AuditOptions, EndpointOptions, StopOptions, TransactionOptions } from './endpoint-options.ts';

export const CONCURRENCY = wholeNumber(1);

export const STOP_OPTIONS = named({ timeoutMs: WAIT_MS } satisfies Shapes<StopOptions>);

const QUEUE: Shape = { ...TEXT, mend: "Write 'queue' or 'queue@machine'." };

const TRANSACTIONS = named({
  mode: oneOf(['none', 'receiveOnly', 'sendsAtomicWithReceive', 'distributed']),
  timeoutMs: wholeNumber(1),
  isolationLevel: oneOf(['read committed', 'repeatable read', 'serializable']),
  protocol: oneOf(['auto', 'marker', 'twoPhase']),
  sendsVisible: oneOf(['afterBranches', 'atDecision']),
} satisfies Shapes<TransactionOptions>);

const RETRIES = {
  immediateRetries: wholeNumber(0),
  delayedRetries: wholeNumber(0),
  delayedRetryIncreaseMs: wholeNumber(0),
  backoff: oneOf(['linear', 'exponential']),
  delayedRetryMaxMs: wholeNumber(0),
  jitter: {
    fits: (value) => typeof value === 'number' && value >= 0 && value <= 1,
    mend: 'Give a part of the delay, from 0 to 1.',
  },
  errorQueue: QUEUE,
} satisfies Shapes<RetryConfig>;

const ERROR_MATCHER: Shape = {
  fits: (value) => typeof value === 'string' || typeof value === 'function',
  mend: 'Give a class of errors, the text of a name or code, or a function that says which errors are meant.',
};

const RULE = named({
  ...RETRIES,
  whenError: ERROR_MATCHER,
  whenMessage: ANYTHING,
  unrecoverable: FLAG,
  discard: { ...TEXT, mend: 'Give the reason, as a text.' },
} satisfies Shapes<RecoverabilityRule>);

const RATE_LIMIT = named(
  {
    afterConsecutiveFailures: wholeNumber(1),
    pauseMs: wholeNumber(0),
    countsError: FUNCTION,
  } satisfies Shapes<RateLimitOptions>,
  ['afterConsecutiveFailures'],
);

const RECOVERABILITY = named({
  ...RETRIES,
  unrecoverableErrors: listOf(ERROR_MATCHER),
  rules: listOf(RULE),
  policy: FUNCTION,
  rateLimit: RATE_LIMIT,
} satisfies Shapes<RecoverabilityOptions>);

const SERIALIZER: Shape = {
  fits: (value) => isObject(value) && typeof value.contentType === 'string' && isSerializer(value),
  mend: 'Give { contentType, serialize, deserialize }.',
};

export const ENDPOINT_OPTIONS = named({
  queueManager: having(['begin', 'openReceiver', 'isHere'], 'Give what QueueManager.open(…) resolves with.'),
  directory: TEXT,
  role: oneOf(['server', 'client']),
  sendOnly: FLAG,
  concurrency: CONCURRENCY,
  transactions: TRANSACTIONS,
  resources: LIST,
  recoverability: RECOVERABILITY,
  routes: listOf({ fits: (value) => isObject(value) && isObject(value.destination), mend: 'Make it with route(…).' }),
  publishers: listOf({
    fits: (value) => isObject(value) && isObject(value.address),
    mend: 'Make it with publisher(…).',
  }),
  contracts: listOf({ fits: isContract, mend: 'Give what defineCommand, defineEvent or defineMessage made.' }),
  serializers: listOf(SERIALIZER),
  audit: named({ queue: QUEUE } satisfies Shapes<AuditOptions>, ['queue']),
  purgeOnStart: FLAG,
  autoSubscribe: FLAG,
  logger: having(['debug', 'info', 'warn', 'error', 'child'], 'Give { debug, info, warn, error, child }.'),
  onCriticalError: FUNCTION,
  io: OBJECT,
} satisfies Shapes<EndpointOptions<Resource>>);

/** @throws {InvalidOption} there is no such stage, or the behavior is no function */
export function checkBehavior(stage: unknown, behavior: unknown): void {
  checkOption('stage', stage, STAGE);
  checkOption('behavior', behavior, FUNCTION);
}

const STAGE = oneOf(['incomingPhysical', 'incomingLogical']);

function isSerializer(value: Readonly<Partial<Record<keyof Serializer, unknown>>>): boolean {
  return typeof value.serialize === 'function' && typeof value.deserialize === 'function';
}
