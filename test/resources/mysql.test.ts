import type { MysqlClient } from '../../src/resources/mysql/guarded-connection.ts';
import { mysqlResource } from '../../src/resources/mysql/mysql-resource.ts';
import { REQUESTS } from '../support/both-databases.ts';
import type { Row } from '../support/effects-database.ts';
import { requireMariadb } from '../support/test-databases.ts';
import { resourceConformance } from './resource-conformance.ts';

resourceConformance({
  title: 'MariaDB',
  requireServer: requireMariadb,
  make: (options) => mysqlResource(options).resourceManager,
  query: async (client, sql) => (await (client as MysqlClient).query(sql))[0] as unknown as readonly Row[],
  byHand: [
    'commit',
    'rollback',
    'rollback and chain',
    'begin',
    'start transaction',
    '/* neat */ commit work',
    '/*! commit */',
    "xa end 'mine'",
    "xa commit 'mine' one phase",
    'set autocommit = 1',
    'create table by_hand (i int)',
    'truncate table effects',
    'drop table effects',
    'lock tables effects write',
    "execute immediate 'commit'",
    'begin not atomic commit; end',
  ],
  sleep: (seconds) => `select sleep(${seconds})`,
  wire: REQUESTS.mariadb,
});
