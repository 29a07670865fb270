/** MariaDB and MySQL in messages' transactions. */
export type { MysqlClient } from '../resources/mysql/guarded-connection.ts';
export type { MysqlResourceOptions } from '../resources/mysql/mysql-options.ts';
export { MysqlResource, mysqlResource } from '../resources/mysql/mysql-resource.ts';
