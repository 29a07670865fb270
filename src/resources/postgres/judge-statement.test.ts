import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { judgeStatement } from './judge-statement.ts';

describe('what a statement would do', () => {
  for (const [text, called] of [
    ['commit', 'COMMIT'],
    ['COMMIT WORK', 'COMMIT'],
    ["commit prepared 'x'", 'COMMIT PREPARED'],
    ['end', 'END'],
    ['abort', 'ABORT'],
    ['begin', 'BEGIN'],
    ['start transaction', 'START'],
    ['rollback', 'ROLLBACK'],
    ['rollback work', 'ROLLBACK'],
    ['rollback and chain', 'ROLLBACK'],
    ["rollback prepared 'x'", 'ROLLBACK PREPARED'],
    ["prepare transaction 'x'", 'PREPARE TRANSACTION'],
    ["set posthorn.transaction = 'x'", 'SET of a setting of Posthorn'],
    ["set session posthorn.transaction = 'x'", 'SET of a setting of Posthorn'],
    [`set local "posthorn"."transaction" = 'x'`, 'SET of a setting of Posthorn'],
    ['reset all', 'RESET of a setting of Posthorn'],
    ['reset posthorn.transaction', 'RESET of a setting of Posthorn'],
    ["insert into t values (';'); /* */ commit", 'COMMIT'],
  ] as const) {
    test(`${text} is refused as ${called}`, () => assert.equal(judgeStatement(text).refused, called));
  }

  for (const text of [
    "select 'commit'",
    'rollback to a',
    'rollback work to savepoint a',
    'rollback transaction to a',
    'savepoint a; release a',
    'prepare find as select 1',
    'set local search_path to x',
    'set constraints all immediate',
    'update commit set n = 1',
    '',
  ])
    test(`${JSON.stringify(text)} may be sent`, () => assert.equal(judgeStatement(text).refused, undefined));

  for (const text of [
    'set search_path to x',
    'set session time zone 0',
    "set role 'x'",
    'reset search_path',
    'listen x',
    'prepare find as select 1',
    'deallocate all',
    'create temp table x (n int)',
    'declare c cursor with hold for select 1',
    "select 1; load 'x'",
  ])
    test(`${text} leaves a trace in the session`, () => assert.equal(judgeStatement(text).changesSession, true));

  for (const text of [
    'set local x.y to 1',
    'set transaction read only',
    'create table x (n int)',
    'declare c cursor for select 1',
  ])
    test(`${text} leaves no trace in the session`, () => assert.equal(judgeStatement(text).changesSession, false));

  test('a notification by function counts as an effect', () => {
    assert.equal(judgeStatement("select pg_notify('a', 'b')").notifies, true);
    assert.equal(judgeStatement('select 1').notifies, false);
  });
});
