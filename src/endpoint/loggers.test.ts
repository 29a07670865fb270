import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pino } from 'pino';
import { stderrLogger } from '../io/stderr-logger.ts';
import { pinoLogger } from './pino-logger.ts';

describe('the logger on pino', () => {
  test('keeps levels, fields, children and errors where pino looks for them', () => {
    const lines: Record<string, unknown>[] = [];
    const logger = pinoLogger(pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) }));
    logger.debug('one');
    logger.child({ messageId: 'm1' }).error('two', { error: new RangeError('boom'), attempts: 3 });
    assert.equal(lines[0]?.msg, 'one');
    assert.equal(lines[0]?.level, 20);
    const { msg, level, messageId, attempts, err } = lines[1] ?? {};
    assert.deepEqual([msg, level, messageId, attempts], ['two', 50, 'm1', 3]);
    assert.equal((err as { type?: string }).type, 'RangeError');
  });
});

describe('the logger of a bare endpoint', () => {
  test('writes warnings and errors as one readable line each, and nothing that a terminal would obey', (t) => {
    const written: string[] = [];
    t.mock.method(process.stderr, 'write', (text: string) => written.push(text));
    const logger = stderrLogger().child({ messageId: 'm\u001b[31m1' });
    logger.debug('quiet');
    logger.info('quiet');
    logger.warn('one\ntwo', { attempts: 3, body: { secret: 'canary' } });
    logger.error('three', { error: new Error('boom') });
    t.mock.restoreAll();
    assert.equal(written.length, 2);
    assert.match(written[0] ?? '', /^\d{4}-\S+Z warn {2}posthorn one two messageId=m \[31m1 attempts=3\n$/);
    assert.match(written[1] ?? '', / error posthorn three messageId=.* error=Error: boom\n$/);
    assert.doesNotMatch(written.join(''), /canary/);
  });
});
