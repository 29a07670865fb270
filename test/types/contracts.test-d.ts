/*
 * What the types of contracts, senders and handlers allow and refuse. Checked by the compiler; nothing here runs.
 * Each @ts-expect-error names the rule that would be lost if the line compiled.
 */
import {
  type Command,
  defineCommand,
  defineEvent,
  defineMessage,
  Endpoint,
  type Event,
  type HandlerContext,
  publisher,
  type RecoverabilityAction,
  route,
} from 'posthorn';
import * as v from 'valibot';
import * as z from 'zod';

/** Compiles only when both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_proof: Same<A, B>): void {}

const OrderAccepted = defineMessage('Sales.OrderAccepted', z.object({ orderId: z.string() }));
const Cancelled = defineMessage<{ reason: string }>('Sales.Cancelled');
const PlaceOrder = defineCommand(
  'Sales.PlaceOrder',
  z.object({ orderId: z.string(), placedAt: z.string().transform((text) => new Date(text)) }),
  { reply: OrderAccepted },
);
const CancelOrder = defineCommand<{ orderId: string }>('Sales.CancelOrder');
const OrderPlaced = defineEvent('Sales.OrderPlaced', v.object({ orderId: v.string(), lines: v.array(v.number()) }));

declare const endpoint: Endpoint;
declare const context: HandlerContext;

// Contracts are typed by their schema: senders by its input, handlers by its output.
same<typeof CancelOrder, Command<{ orderId: string }>>(true);
same<typeof OrderPlaced, Event<{ orderId: string; lines: number[] }>>(true);

endpoint.handle(PlaceOrder, (order, handling) => {
  same<typeof order, { orderId: string; placedAt: Date }>(true);
  // The declared reply types the answer.
  void handling.reply(OrderAccepted, { orderId: order.orderId });
  // @ts-expect-error the body of a reply fits its contract
  void handling.reply(OrderAccepted, { orderId: 1 });
  // @ts-expect-error a command that declares its reply is answered with that and nothing else
  void handling.reply(Cancelled, { reason: 'no' });
  // @ts-expect-error a declared reply leaves no room for untyped ones
  void handling.reply('Sales.Whatever', {});
});
endpoint.handle(CancelOrder, async (order, handling) => {
  same<typeof order, { orderId: string }>(true);
  await handling.reply(Cancelled, { reason: 'asked to' }); // without a declared reply, any plain message
  await handling.reply('Sales.Whatever', { anything: true });
  // @ts-expect-error a reply is a plain message: a command is sent
  await handling.reply(PlaceOrder, { orderId: '1', placedAt: '2030-01-01' });
});
endpoint.handle(OrderPlaced, (event) => same<typeof event, { orderId: string; lines: number[] }>(true));
endpoint.handle('Greet', (greet: { name: string }) => greet.name.length); // a name alone: the handler says what it expects
endpoint.handle(CancelOrder, () => undefined).handle(OrderPlaced, () => undefined); // chains

// @ts-expect-error a handler gets what the schema makes of the body, not something else
endpoint.handle(PlaceOrder, (order: { orderId: number }) => order.orderId);

// Sending.
void endpoint.send(
  PlaceOrder,
  { orderId: '1', placedAt: '2030-01-01' },
  { to: 'sales@alpha', delayMs: 5, priority: 7 },
);
void endpoint.send('Greet', { whatever: true });
void context.send(CancelOrder, { orderId: '1' }, { dispatch: 'now' });
void context.sendLocal(Cancelled, { reason: 'x' });
// @ts-expect-error an event cannot be sent: it is published
void endpoint.send(OrderPlaced, { orderId: '1', lines: [] });
// @ts-expect-error an event cannot be sent from a handler either
void context.send(OrderPlaced, { orderId: '1', lines: [] });
// @ts-expect-error an event cannot be sent to oneself
void endpoint.sendLocal(OrderPlaced, { orderId: '1', lines: [] });
// @ts-expect-error the body fits the schema's input
void endpoint.send(PlaceOrder, { orderId: 1, placedAt: '2030-01-01' });
// @ts-expect-error the wire carries the schema's input, so a sender does not hand in its output
void endpoint.send(PlaceOrder, { orderId: '1', placedAt: new Date(0) });
// @ts-expect-error a body that lacks a property is refused
void context.send(CancelOrder, {});
// @ts-expect-error an option that does not exist is refused
void endpoint.send(CancelOrder, { orderId: '1' }, { delay: 5 });
// @ts-expect-error outside handlers there is no commit to wait for
void endpoint.send(CancelOrder, { orderId: '1' }, { dispatch: 'now' });

// Publishing.
void endpoint.publish(OrderPlaced, { orderId: '1', lines: [1] });
void context.publish('Sales.Anything', {});
// @ts-expect-error a command cannot be published: it is sent to one endpoint
void endpoint.publish(CancelOrder, { orderId: '1' });
// @ts-expect-error a plain message cannot be published
void context.publish(Cancelled, { reason: 'x' });
// @ts-expect-error an event goes to its subscribers, not to an address
void endpoint.publish(OrderPlaced, { orderId: '1', lines: [] }, { to: 'sales' });

// What is sent answers with its id.
endpoint.send(CancelOrder, { orderId: '1' }).then((sent) => same<typeof sent.messageId, string>(true));

// Routes are for what is sent.
route(PlaceOrder, 'sales@alpha');
route('Greet', 'hello');
// @ts-expect-error an event has subscribers, not a route
route(OrderPlaced, 'billing');

// Publishers are for what is published.
new Endpoint('billing', {
  publishers: [publisher(OrderPlaced, 'sales@alpha'), publisher('Sales.Anything', 'sales@beta')],
});
// @ts-expect-error a command is sent, nobody publishes it
publisher(PlaceOrder, 'sales@alpha');
// @ts-expect-error an acknowledgement goes to a queue that is named
void endpoint.send(CancelOrder, { orderId: '1' }, { timeToReachQueueMs: 1_000, acknowledge: { reached: true } });

// Options.
new Endpoint('sales', {
  role: 'server',
  transactions: { mode: 'receiveOnly' },
  recoverability: {
    rules: [
      { whenError: RangeError, immediateRetries: 0 },
      { whenError: (error) => error.message === '', discard: 'x' },
    ],
    policy: (failure, config): RecoverabilityAction =>
      failure.failedAttempts > config.immediateRetries ? { kind: 'discard', reason: 'x' } : { kind: 'immediateRetry' },
  },
});
// @ts-expect-error there is no such mode
new Endpoint('sales', { transactions: { mode: 'twice' } });
// @ts-expect-error an option that does not exist is refused
new Endpoint('sales', { recoverabilty: {} });
// @ts-expect-error a rule names an error by class, text or predicate
new Endpoint('sales', { recoverability: { rules: [{ whenError: 42 }] } });
// @ts-expect-error a delayed retry needs its delay
const action: RecoverabilityAction = { kind: 'delayedRetry' };
void action;

// Behaviors and notifications.
endpoint.use('incomingPhysical', async (incoming, next) => {
  same<typeof incoming.body, Uint8Array>(true);
  // @ts-expect-error before the body is read there is no message
  void incoming.message;
  await next();
});
endpoint.use('incomingLogical', async (incoming, next) => {
  same<typeof incoming.message, unknown>(true);
  await next();
});
// @ts-expect-error there is no such stage
endpoint.use('outgoing', async (_context, next) => next());
endpoint.on('movedToErrorQueue', (event) => {
  same<typeof event.attempts, number>(true);
  // @ts-expect-error an event of another kind has other fields
  void event.delayMs;
});
// @ts-expect-error there is no such notification
endpoint.on('lost', () => undefined);
