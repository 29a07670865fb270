import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { needsDatabases, TestServers } from './test-servers.ts';

const files: Readonly<Record<string, string>> = {
  'test/a.test.ts': "import { requirePostgres } from './support/test-databases.ts';",
  'test/b.test.ts': "import { story } from './support/story.ts';",
  'test/support/story.ts': "import type { TestServer } from './test-databases.ts';\nimport '../c.ts';",
  'test/c.ts': "import './b.test.ts';",
  'test/d.test.ts': "import '../src/queues/queue.ts'; import 'node:test';",
  'src/resources/e.test.ts': "import '../../test/support/test-databases.ts';",
};

function read(path: string): string {
  const text = files[path];
  if (text === undefined) throw new Error(`${path} was read`);
  return text;
}

describe('the servers of a run', () => {
  test('a file that names the databases of tests needs them, wherever it stands', () => {
    assert.ok(needsDatabases('test/a.test.ts', read));
    assert.ok(needsDatabases('src/resources/e.test.ts', read));
  });

  test('so does one that imports a module which does', () => {
    assert.ok(needsDatabases('test/b.test.ts', read));
    assert.ok(needsDatabases('test/c.ts', read));
  });

  test('no other one does, and what it imports of the product is not read', () => {
    assert.ok(!needsDatabases('test/d.test.ts', read));
  });

  test('servers that the environment names are taken as they are, and none is started', async () => {
    const environment = {
      POSTHORN_TEST_POSTGRES_URL: 'postgres://there',
      POSTHORN_TEST_POSTGRES_UNPREPARED_URL: 'postgres://there-too',
      POSTHORN_TEST_MARIADB_URL: 'mysql://there',
    };
    const before = { ...environment };
    await using _servers = await TestServers.start(environment);
    assert.deepEqual(environment, before);
  });
});
