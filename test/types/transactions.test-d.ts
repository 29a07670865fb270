/*
 * What the types of databases in transactions give and refuse. Checked by the compiler; nothing here runs.
 * Each @ts-expect-error names the rule that would be lost if the line compiled.
 */

import type { PoolClient } from 'pg';
import {
  type ClientOf,
  defineCommand,
  defineEvent,
  Endpoint,
  type EndpointOptions,
  type Handler,
  type HandlerContext,
  type IncomingLogicalContext,
  type ReplyType,
  type Resource,
  type TransactionContext,
  type UserBehavior,
} from 'posthorn';
import { postgresResource } from 'posthorn/postgres';
import { createTestBus, type EndpointMaker, type TestBus, type TestEndpointOptions } from 'posthorn/testing';

/** Compiles only when both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_proof: Same<A, B>): void {}

interface OrdersClient {
  query(sql: string): Promise<readonly { orderId: string }[]>;
}
interface StockClient {
  execute(sql: string): Promise<number>;
}
/** As drivers make theirs: a resource with methods of its own. */
interface OrdersResource<Name extends string> extends Resource<Name, OrdersClient> {
  query(sql: string): Promise<readonly { orderId: string }[]>;
}
declare const orders: OrdersResource<'orders'>;
declare const archive: OrdersResource<'archive'>;
declare const stock: Resource<'stock', StockClient>;

const PlaceOrder = defineCommand<{ orderId: string }>('Sales.PlaceOrder');
const OrderPlaced = defineEvent<{ orderId: string }>('Sales.OrderPlaced');

// An endpoint knows the databases that it lists, and hands out each one's own client.
const sales = new Endpoint('sales', { resources: [orders, stock] });
sales.handle(PlaceOrder, async (order, context) => {
  same<typeof order, { orderId: string }>(true);
  const db = await context.resource(orders);
  same<typeof db, OrdersClient>(true);
  const warehouse = await context.resource(stock);
  same<typeof warehouse, StockClient>(true);
  // @ts-expect-error a client is promised: its branch has to be begun first
  context.resource(orders).query('select 1');
  // @ts-expect-error a database that the endpoint does not list is not part of its transactions, whatever its client
  await context.resource(archive);
});
same<ClientOf<typeof orders>, OrdersClient>(true);

// Transactions of the program.
const placed = sales.transaction(async (tx) => {
  const db = await tx.resource(orders);
  same<typeof db, OrdersClient>(true);
  await tx.send(PlaceOrder, { orderId: '1' }, { to: 'sales@alpha', dispatch: 'now' });
  await tx.sendLocal(PlaceOrder, { orderId: '1' });
  await tx.publish(OrderPlaced, { orderId: '1' });
  same<typeof tx.id, string>(true);
  same<typeof tx.signal, AbortSignal>(true);
  // @ts-expect-error a database that the endpoint does not list
  await tx.resource(archive);
  // @ts-expect-error an event is published, not sent
  await tx.send(OrderPlaced, { orderId: '1' });
  // @ts-expect-error there is no message to answer
  void tx.reply;
  return 42;
});
same<typeof placed, Promise<number>>(true);
same<typeof withoutPromise, Promise<string>>(true);
const withoutPromise = sales.transaction(() => 'done');

// Behaviors too.
sales.use('incomingLogical', async (context, next) => {
  same<Awaited<ReturnType<typeof context.resource<typeof orders>>>, OrdersClient>(true);
  // @ts-expect-error a database that the endpoint does not list
  await context.resource(archive);
  await next();
});

// Without databases there is nothing to ask for.
const plain = new Endpoint('plain', {
  transactions: { mode: 'distributed', protocol: 'twoPhase', sendsVisible: 'atDecision' },
});
same<typeof plain, Endpoint<never>>(true);
same<typeof plain, Endpoint>(true);
plain.handle(PlaceOrder, async (_order, context) => {
  // @ts-expect-error the endpoint lists no database
  await context.resource(orders);
});
void plain.transaction(async (tx) => {
  // @ts-expect-error the endpoint lists no database
  await tx.resource(orders);
  await tx.send('Greet', {});
});

// Handlers that stand somewhere else name what they use.
const place: Handler<typeof PlaceOrder, typeof orders> = async (_order, context) => {
  await (await context.resource(orders)).query('insert');
};
const simple: Handler<typeof PlaceOrder> = async (_order, context) => void (await context.send('Greet', {}));
sales.handle(PlaceOrder, place).handle(PlaceOrder, simple);
plain.handle(PlaceOrder, simple);
// @ts-expect-error a handler that needs a database does not fit an endpoint that lists none
plain.handle(PlaceOrder, place);
// @ts-expect-error nor one that lists another
new Endpoint('stock', { resources: [stock] }).handle(PlaceOrder, place);
async function saveOrder(context: HandlerContext<ReplyType, typeof orders>): Promise<void> {
  await (await context.resource(orders)).query('insert');
}
async function saveIn(tx: TransactionContext<typeof orders>): Promise<void> {
  await (await tx.resource(orders)).query('insert');
}
sales.handle('Greet', (_greet, context) => saveOrder(context));
void sales.transaction(saveIn);
// @ts-expect-error the endpoint lists no database
plain.handle('Greet', (_greet, context) => saveOrder(context));
// @ts-expect-error the endpoint lists no database
void plain.transaction(saveIn);
const measured: UserBehavior<IncomingLogicalContext> = async (_context, next) => next();
sales.use('incomingLogical', measured); // one that needs none fits everywhere

// The resources of the drivers have their own clients.
const inPostgres = postgresResource({ name: 'ledger', connectionString: 'postgres://db1/ledger' });
same<typeof inPostgres.name, 'ledger'>(true);
same<ClientOf<typeof inPostgres>, PoolClient>(true);
new Endpoint('ledger', { resources: [inPostgres, stock] }).handle('Book', async (_book, context) => {
  const db = await context.resource(inPostgres);
  const { rows } = await db.query<{ amount: number }>('select amount from ledger');
  same<typeof rows, { amount: number }[]>(true);
  // @ts-expect-error a database that the endpoint does not list
  await context.resource(orders);
});

// An endpoint with databases is an endpoint: code that takes any takes it.
const endpoints: Endpoint[] = [sales, plain];
void endpoints;
const options: EndpointOptions<typeof orders> = { resources: [orders] };
same<ReturnType<typeof makeOrders>, Endpoint<OrdersResource<'orders'>>>(true);
function makeOrders() {
  return new Endpoint('orders', options);
}

// @ts-expect-error a driver's pool is no resource
new Endpoint('sales', { resources: [{ query: () => undefined }] });
// @ts-expect-error there is no such protocol
new Endpoint('sales', { transactions: { protocol: 'saga' } });
// @ts-expect-error there is no such time
new Endpoint('sales', { transactions: { sendsVisible: 'never' } });

// A test bus takes endpoints with databases, and knows them again.
const maker: EndpointMaker = (given) => new Endpoint('sales', { ...given, resources: [orders] });
void createTestBus({ endpoints: [maker, (given) => new Endpoint('stock', { ...given, resources: [stock] })] });
declare const bus: TestBus;
const added = await bus.add((given: TestEndpointOptions) => new Endpoint('late', { ...given, resources: [orders] }));
void added.transaction(async (tx) => (await tx.resource(orders)).query('select'));
void bus.endpoint<typeof orders>('sales').transaction(async (tx) => (await tx.resource(orders)).query('select'));
void bus.endpoint('sales').transaction(async (tx) => {
  // @ts-expect-error a name alone says nothing of databases
  await tx.resource(orders);
});
