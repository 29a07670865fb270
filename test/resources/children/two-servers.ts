import { startMariadb } from '../../../tools/databases/start-mariadb.ts';
import { startPostgres } from '../../../tools/databases/start-postgres.ts';

/** Starts a server of each kind, one of them frozen, tells which, and waits to be killed. */
const servers = await Promise.all([startPostgres(), startMariadb()]);
servers[0].freeze();
process.send?.(servers.map(({ pid, directory }) => ({ pid, directory })));
process.on('message', () => undefined);
