import { Endpoint, route } from 'posthorn';
import { mysqlResource } from 'posthorn/mysql';
import { postgresResource } from 'posthorn/postgres';
import { PlaceOrder, ShipOrder } from './contracts.ts';

/** What `posthorn host` runs on the machine shop: two databases and a message, in one transaction that the handler does not mention. */
const sales = postgresResource({ name: 'sales', connectionString: process.env.DEMO_POSTGRES ?? '' });
const stock = mysqlResource({ name: 'stock', connectionString: process.env.DEMO_MARIADB ?? '' });

const orders = new Endpoint('orders', {
  transactions: { mode: 'distributed' },
  resources: [sales, stock],
  concurrency: 4,
  routes: [route(ShipOrder, 'shipping@warehouse')],
});

orders.handle(PlaceOrder, async ({ orderId, article }, context) => {
  await sales.query('insert into orders(order_id, article) values ($1, $2)', [orderId, article]);
  await stock.query('insert into picks(order_id, article) values (?, ?)', [orderId, article]);
  await stock.query('update stock set pieces = pieces - 1 where article = ?', [article]);
  await context.send(ShipOrder, { orderId });
});

export default orders;
