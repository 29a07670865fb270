/** `posthorn/testing`: a bus in memory for users' tests. */
export type { EndpointMaker, TestEndpointOptions } from '../testing/bus-life.ts';
export { BusNotQuiet, InjectedFailure, NoSuchTestEndpoint, TestBusDisposed } from '../testing/errors.ts';
export type { FailOnceOptions, FaultPlace, InjectedFault } from '../testing/fault-plan.ts';
export type { FailedMessage, HandledMessage, SpiedMessage, WaitingMessage } from '../testing/spied-message.ts';
export { createTestBus, type TestBus, type TestBusOptions } from '../testing/test-bus.ts';
