import { Endpoint } from 'posthorn';
import { postgresResource } from 'posthorn/postgres';
import { ShipOrder } from './contracts.ts';

/** What `posthorn host` runs on the machine warehouse: one database, so a marker row decides. */
const shipments = postgresResource({ name: 'shipments', connectionString: process.env.DEMO_POSTGRES ?? '' });

const shipping = new Endpoint('shipping', {
  transactions: { mode: 'distributed' },
  resources: [shipments],
  concurrency: 4,
});

shipping.handle(ShipOrder, async ({ orderId }) => {
  await shipments.query('insert into shipments(order_id) values ($1)', [orderId]);
});

export default shipping;
