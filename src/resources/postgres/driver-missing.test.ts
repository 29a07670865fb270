import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { postgresResource } from './postgres-resource.ts';

test('a driver that is not installed is named with the command that installs it', async (t) => {
  const elsewhere = pathToFileURL(join(tmpdir(), 'nobody.ts')).href;
  const hooks = registerHooks({
    // As if this package stood where the driver is not installed.
    resolve: (specifier, context, next) =>
      next(specifier, specifier === 'pg' ? { ...context, parentURL: elsewhere } : context),
  });
  t.after(() => hooks.deregister());
  const orders = postgresResource({ name: 'orders', host: '127.0.0.1' }).resourceManager;
  const told = { code: 'DRIVER_MISSING', message: /npm install pg$/ };
  await assert.rejects(orders.setup.inspect(), told);
  const id = { transaction: 'x', qualifier: 'y' };
  await assert.rejects(orders.begin({ id, isolationLevel: 'read committed', idleMsMax: 1000 }), told);
});
