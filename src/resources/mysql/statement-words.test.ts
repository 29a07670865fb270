import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readStatementWords } from './statement-words.ts';

test('statements that end or begin a transaction are refused, behind comments too', () => {
  for (const sql of [
    'commit',
    'COMMIT WORK',
    '  ;  commit',
    '-- why\ncommit',
    '# why\ncommit',
    '/* a */ /* b */ rollback',
    '/*!80000 commit */',
    '/*M!100500 rollback */',
    'rollback',
    'rollback work',
    'rollback and chain',
    'begin',
    'begin work',
    'start transaction read only',
    "xa start 'x'",
    'set autocommit=0',
    'set session autocommit = off',
    'set @a = 1, autocommit = 1',
    "prepare p from 'XA END ''x'''",
    "execute immediate 'xa rollback ''x'''",
  ]) {
    assert.equal(readStatementWords(sql).isRefused, true, sql);
  }
});

test('savepoints, compound statements and everyday work are not refused', () => {
  for (const sql of [
    'rollback to savepoint a',
    'rollback to a',
    'rollback work to savepoint a',
    'savepoint a',
    'release savepoint a',
    'begin not atomic select 1; end',
    "insert into log values ('commit')",
    'select commit from t',
    '(select 1)',
    'start slave',
    "set @note = 'x'",
    "prepare p from 'select 1'",
    '',
  ]) {
    assert.equal(readStatementWords(sql).isRefused, false, sql);
  }
});

test('only what reads by its first word looks read-only', () => {
  for (const sql of [
    'select 1',
    '(select 1) union (select 2)',
    'with a as (select 1) select * from a',
    'show tables',
    'savepoint a',
  ]) {
    assert.equal(readStatementWords(sql).looksReadOnly, true, sql);
  }
  for (const sql of [
    'insert into t values (1)',
    'update t set v = 1',
    'call p()',
    'do f()',
    'load data infile 1',
    '',
  ]) {
    assert.equal(readStatementWords(sql).looksReadOnly, false, sql);
  }
});

test('rows that were changed are counted by what inserts, replaces and deletes, not by what may find a row as it was', () => {
  for (const sql of ['insert into t values (1)', 'replace into t values (1)', 'delete from t']) {
    assert.equal(readStatementWords(sql).countsChanges, true, sql);
  }
  for (const sql of ['insert into t values (1) on duplicate key update v = 1', 'update t set v = 1', 'call p()']) {
    assert.equal(readStatementWords(sql).countsChanges, false, sql);
  }
});

test('a session is another one after what sets, prepares or locks by name', () => {
  for (const sql of [
    'set @a = 1',
    'use other',
    'create temporary table t (i int)',
    "select get_lock('a', 1)",
    'call p()',
  ]) {
    assert.equal(readStatementWords(sql).changesSession, true, sql);
  }
  for (const sql of ['select 1', 'insert into t values (1)', 'update t set v = 1', 'savepoint a', 'rollback to a']) {
    assert.equal(readStatementWords(sql).changesSession, false, sql);
  }
});
