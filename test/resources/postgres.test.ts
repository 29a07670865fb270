import type { PoolClient } from 'pg';
import { postgresResource } from '../../src/resources/postgres/postgres-resource.ts';
import { REQUESTS } from '../support/both-databases.ts';
import { requirePostgres } from '../support/test-databases.ts';
import { resourceConformance } from './resource-conformance.ts';

resourceConformance({
  title: 'PostgreSQL',
  requireServer: requirePostgres,
  make: (options) => postgresResource(options).resourceManager,
  query: async (client, sql) => (await (client as PoolClient).query(sql)).rows,
  byHand: [
    'commit',
    'rollback',
    'begin',
    'start transaction',
    'end',
    'abort',
    "prepare transaction 'mine'",
    "commit prepared 'mine'",
    "rollback prepared 'mine'",
    'select 1; commit; begin',
    '/* neat */ commit and chain',
    'rollback and chain',
    "set local posthorn.transaction = ''",
    'reset all',
  ],
  sleep: (seconds) => `select pg_sleep(${seconds})`,
  wire: REQUESTS.postgres,
});
