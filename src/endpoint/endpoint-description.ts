import { formatAddress } from '../message/address.ts';
import type { TransactionMode } from '../pipeline/message-transaction.ts';
import { attemptsMax, type RetryConfig } from '../recoverability/recoverability-config.ts';
import type { SendsVisible } from '../transactions/distributed-transaction.ts';
import { plannedProtocol } from '../transactions/planned-protocol.ts';
import type { IsolationLevel, ResourceKind, ResourceTarget } from '../transactions/resource-manager.ts';
import type { ResourceUseDescription } from '../transactions/transaction-coordinator.ts';
import type { ResourceView } from '../transactions/transaction-view.ts';
import type { EndpointState } from './endpoint-state.ts';
import type { ResolvedOptions } from './resolve-options.ts';

/** How an endpoint works, and what it does right now. Plain data. */
export interface EndpointDescription {
  readonly name: string;
  /** `queue@machine`; undefined before the start, and for a send-only endpoint. */
  readonly address: string | undefined;
  readonly state: EndpointState;
  readonly mode: TransactionMode;
  readonly timeoutMs: number;
  /** Databases that take part in its transactions. */
  readonly resources: readonly ResourceDescription[];
  readonly isolationLevel: IsolationLevel;
  readonly sendsVisible: SendsVisible;
  readonly concurrency: number;
  readonly handlersRunning: number;
  readonly isRateLimited: boolean;
  /** Over all rounds of retries. */
  readonly attemptsMax: number;
  readonly errorQueue: string;
  /** As configured for all messages; rules and an own policy may say otherwise. */
  readonly retries: RetryConfig;
  readonly ruleCount: number;
  readonly unrecoverableErrorCount: number;
  readonly hasOwnPolicy: boolean;
  /** `queue` or `queue@machine` by message type. */
  readonly routes: Readonly<Record<string, string>>;
  /** Who publishes which events on other machines: `queue@machine` by message type. */
  readonly publishers: Readonly<Record<string, readonly string[]>>;
  readonly handledTypes: readonly string[];
}

export interface ResourceDescription {
  readonly name: string;
  readonly kind: ResourceKind;
  readonly target: ResourceTarget;
  /** What brings it and the queues to one outcome, and why. */
  readonly protocol: string;
  /** What the server is; undefined until it was asked. */
  readonly server: string | undefined;
  /** It is fenced, and why: the endpoint receives nothing. */
  readonly fenced: string | undefined;
}

export function describeEndpoint(facts: EndpointFacts): EndpointDescription {
  const { name, state, options, machine } = facts;
  const { mode, recoverability, isSendOnly, timeoutMs, routes, publishers } = options;
  const { rules, unrecoverableErrors, ...retries } = recoverability;
  return {
    name,
    address: isSendOnly || machine === undefined ? undefined : formatAddress({ queue: name, machine }),
    state,
    mode,
    timeoutMs,
    resources: describeResources(facts),
    isolationLevel: options.isolationLevel,
    sendsVisible: options.sendsVisible,
    concurrency: facts.concurrency,
    handlersRunning: facts.handlersRunning,
    isRateLimited: facts.isRateLimited,
    attemptsMax: attemptsMax(recoverability),
    errorQueue: recoverability.errorQueue,
    retries,
    ruleCount: rules.length,
    unrecoverableErrorCount: unrecoverableErrors.length,
    hasOwnPolicy: options.given.recoverability?.policy !== undefined,
    routes: routes.describe(),
    publishers: publishers.describe(),
    handledTypes: facts.handledTypes,
  };
}

export interface EndpointFacts {
  readonly name: string;
  readonly state: EndpointState;
  readonly options: ResolvedOptions;
  /** Undefined before the start. */
  readonly machine: string | undefined;
  readonly concurrency: number;
  readonly handlersRunning: number;
  readonly isRateLimited: boolean;
  readonly handledTypes: readonly string[];
  /** What is known of the databases since the start. */
  readonly uses: readonly ResourceUseDescription[];
  readonly fenced: readonly ResourceView[];
}

function describeResources({ options, uses, fenced }: EndpointFacts): readonly ResourceDescription[] {
  const { resources, protocol } = options;
  return resources.map(({ name, kind, target }) => {
    const use = uses.find(({ resource }) => resource === name);
    const fence = fenced.find((view) => view.name === name);
    return {
      name,
      kind,
      target,
      protocol: use?.protocol ?? plannedProtocol(protocol, resources.length),
      server: use?.inspection?.server,
      fenced: fence === undefined ? undefined : (fence.sentence ?? 'its store went back in time, or was copied'),
    };
  });
}
