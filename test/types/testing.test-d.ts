/*
 * What the types of a test bus give and refuse. Checked by the compiler; nothing here runs.
 * Each @ts-expect-error names the rule that would be lost if the line compiled.
 */
import { defineCommand, defineEvent, Endpoint, type EndpointOptions } from 'posthorn';
import {
  createTestBus,
  type EndpointMaker,
  type FailedMessage,
  type HandledMessage,
  type TestBus,
} from 'posthorn/testing';
import * as z from 'zod';

/** Compiles only when both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_proof: Same<A, B>): void {}

const PlaceOrder = defineCommand(
  'Sales.PlaceOrder',
  z.object({ orderId: z.string(), placedAt: z.string().transform((text) => new Date(text)) }),
);
const OrderPlaced = defineEvent<{ orderId: string }>('Sales.OrderPlaced');

declare const bus: TestBus;

// Spies give what travels: the input of the schema. A name gives what nobody knows.
const sent = bus.sent(PlaceOrder);
same<typeof sent, { orderId: string; placedAt: string }[]>(true);
const published = bus.published(OrderPlaced);
same<typeof published, { orderId: string }[]>(true);
const handled = bus.handled(OrderPlaced);
same<typeof handled, HandledMessage<{ orderId: string }>[]>(true);
const all = bus.handled();
same<typeof all, HandledMessage<unknown>[]>(true);
const failed = await bus.failed(PlaceOrder);
same<typeof failed, FailedMessage<{ orderId: string; placedAt: string }>[]>(true);
const untyped = bus.sent('Sales.PlaceOrder');
same<typeof untyped, unknown[]>(true);

// @ts-expect-error: an event is published, so nobody can have sent it
bus.sent(OrderPlaced);
// @ts-expect-error: a command is sent, so nobody can have published it
bus.published(PlaceOrder);
// @ts-expect-error: the test's own sends are typed by the contract too
void bus.send(PlaceOrder, { orderId: 1, placedAt: '' });
// @ts-expect-error: an event cannot be sent
void bus.send(OrderPlaced, { orderId: '1' });
// @ts-expect-error: there are four places to fail at
bus.failOnce({ at: 'duringLunch' });

// A maker with the options of any endpoint, as programs have it, fits; one that makes something else does not.
const maker: EndpointMaker = (options: EndpointOptions = {}) => new Endpoint('sales', options);
void createTestBus({ endpoints: [maker, (options) => new Endpoint('billing', { ...options, concurrency: 1 })] });
// @ts-expect-error: a maker returns the endpoint
void createTestBus({ endpoints: [() => undefined] });
