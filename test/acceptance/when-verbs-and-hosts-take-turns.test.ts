import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { jsonLines, posthorn, startShop, temporaryDirectory } from '../support/command-line.ts';
import { failOrders } from '../support/failed-orders.ts';

const RESTARTS = 50;

describe('when an operator lists errors in a loop while a host restarts', () => {
  test('both always get their turn', { timeout: 240_000 }, async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, 200);
    let isOver = false;
    const listing = (async () => {
      let count = 0;
      while (!isOver) {
        const result = await posthorn(['errors', 'list', '--json', '--directory', data.path]);
        assert.equal(result.exitCode, 0, `list ${count}: ${result.stderr}`);
        assert.equal(jsonLines(result.stdout).length, 200);
        count++;
      }
      return count;
    })();
    try {
      for (let restart = 0; restart < RESTARTS; restart++) {
        const host = await startShop(data.path);
        const result = await host.kill('SIGTERM');
        assert.equal(result.exitCode, 0, `start ${restart}: ${result.stdout}${result.stderr}`);
      }
    } finally {
      isOver = true;
    }
    assert.ok((await listing) > 10);
  });
});
