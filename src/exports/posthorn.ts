/** The package `posthorn`: what programs import. Nothing inside imports this file. */
export { type BehaviorStage, Endpoint } from '../endpoint/endpoint.ts';
export type { EndpointDescription, ResourceDescription } from '../endpoint/endpoint-description.ts';
export type { AuditOptions, EndpointOptions, StopOptions, TransactionOptions } from '../endpoint/endpoint-options.ts';
export type { EndpointState } from '../endpoint/endpoint-state.ts';
export { type PinoLike, pinoLogger } from '../endpoint/pino-logger.ts';
export type { HostContext } from '../host/host-context.ts';
export { type LogFields, type Logger, silentLogger } from '../io/logger.ts';
export { stderrLogger } from '../io/stderr-logger.ts';
export type { Address } from '../message/address.ts';
export type {
  Command,
  Contract,
  ContractKind,
  Event,
  Handleable,
  InputOf,
  OutputOf,
  PlainMessage,
  Publishable,
  ReplyOf,
  Sendable,
} from '../message/contract.ts';
export { type ContractOptions, defineCommand, defineEvent, defineMessage } from '../message/define-contract.ts';
export { type FailureReason, Header, type Headers } from '../message/headers.ts';
export { isPosthornError, PosthornError } from '../message/posthorn-error.ts';
export type { ServedQueueManagerOptions as QueueManagerOptions } from '../operations/open-queue-manager.ts';
export { QueueManager } from '../operations/served-queue-manager.ts';
export type { UserBehavior } from '../pipeline/behavior.ts';
export type {
  AcknowledgementOptions,
  AttemptNumbers,
  DispatchOptions,
  Handler,
  HandlerContext,
  HandlerPublishOptions,
  HandlerSendOptions,
  IncomingLogicalContext,
  IncomingPhysicalContext,
  MessageContext,
  PublishOptions,
  ReplyType,
  SendOptions,
  Sent,
} from '../pipeline/handler-context.ts';
export type { TransactionMode } from '../pipeline/message-transaction.ts';
export type { Serializer } from '../pipeline/serializer.ts';
export type { TransactionContext } from '../pipeline/transaction-context.ts';
export type { OutgoingQueueStatus, QueueSettings, QueueStatus } from '../queues/queue-status.ts';
export type { ErrorClass, ErrorMatcher, ErrorPredicate } from '../recoverability/error-matcher.ts';
export { UnrecoverableError } from '../recoverability/errors.ts';
export type {
  CriticalError,
  EndpointEvent,
  EndpointEventName,
  EndpointEvents,
  Listener,
  MessageEvent,
} from '../recoverability/notifications.ts';
export type {
  Failure,
  RateLimitOptions,
  RecoverabilityAction,
  RecoverabilityConfig,
  RecoverabilityOptions,
  RecoverabilityPolicy,
  RecoverabilityRule,
  RetryConfig,
} from '../recoverability/recoverability-config.ts';
export { recoverabilityPolicy } from '../recoverability/recoverability-policy.ts';
export { type Publisher, publisher } from '../routing/publisher.ts';
export { type Route, route } from '../routing/route.ts';
export type { ProtocolChoice, SendsVisible } from '../transactions/distributed-transaction.ts';
export type { ClientOf, Resource } from '../transactions/resource.ts';
export type { IsolationLevel, ResourceKind, ResourceTarget } from '../transactions/resource-manager.ts';
export type { NetworkOptions } from '../transfer/network-options.ts';
