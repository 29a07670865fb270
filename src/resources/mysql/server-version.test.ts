import assert from 'node:assert/strict';
import { test } from 'node:test';
import { versionObstacle } from './inspect-server.ts';
import { readServerVersion } from './server-version.ts';

test('servers are told apart by what they call their version', () => {
  for (const [version, text] of [
    ['10.11.19-MariaDB-0+deb12u1', 'MariaDB 10.11.19'],
    ['5.5.5-10.4.32-MariaDB-log', 'MariaDB 10.4.32'],
    ['8.0.36', 'MySQL 8.0.36'],
    ['8.4.0-0ubuntu0.24.04', 'MySQL 8.4.0'],
    ['5.7.44-log', 'MySQL 5.7.44'],
  ] as const) {
    assert.equal(readServerVersion(version).text, text);
  }
});

test('MariaDB before 10.5 and MySQL before 8 cannot take part, and the mend names the version', () => {
  for (const version of ['10.4.34-MariaDB', '5.5.5-10.3.39-MariaDB', '5.7.44']) {
    assert.match(
      versionObstacle(readServerVersion(version))?.mend ?? '',
      /MariaDB 10\.5 or newer, or MySQL 8/,
      version,
    );
  }
  for (const version of ['10.5.0-MariaDB', '11.4.2-MariaDB', '8.0.11', '9.1.0']) {
    assert.equal(versionObstacle(readServerVersion(version)), undefined, version);
  }
});
