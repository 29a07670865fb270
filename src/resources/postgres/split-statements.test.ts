import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { splitStatements } from './split-statements.ts';

function firstWords(text: string): string[] {
  return splitStatements(text).map(({ words }) => words.slice(0, 2).join(' '));
}

describe('statements of PostgreSQL', () => {
  for (const [what, text, expected] of [
    ['semicolons divide', 'select 1; insert into t values (1);;', ['SELECT 1', 'INSERT INTO']],
    ['no semicolon is needed at the end', 'commit', ['COMMIT']],
    ['nothing is no statement', ' ; /* */ ; -- ;', []],
    ['a quote hides them', "select ';commit'; select 2", ["SELECT '", 'SELECT 2']],
    ['a doubled quote goes on', "select 'it''s; commit'; end", ["SELECT '", 'END']],
    ['a backslash is a backslash', "select '\\'; commit", ["SELECT '", 'COMMIT']],
    ['a backslash escapes in E quotes', "select E'\\'; commit; --'", ["SELECT '"]],
    ['an escape quote goes on over lines', "select e'a'\n  -- and\n 'b\\'; commit; --'; end", ["SELECT '", 'END']],
    ['a word that ends in e makes no escape quote', "select nice'\\'; commit; --'", ['SELECT NICE', 'COMMIT']],
    ['a quoted name hides them', 'select ";commit"""; end', ['SELECT ;COMMIT""', 'END']],
    ['dollar quotes hide them', 'do $$ begin; commit; end $$; end', ['DO $', 'END']],
    ['dollar quotes with a tag hide others', 'do $a$ $$; commit; $b$ $a$; end', ['DO $', 'END']],
    ['a parameter is no dollar quote', 'select $1; commit; select $1', ['SELECT $', 'COMMIT', 'SELECT $']],
    [
      'a dollar within a name is no quote',
      'select a$b$; commit; select a$b$',
      ['SELECT A$B$', 'COMMIT', 'SELECT A$B$'],
    ],
    ['a line comment hides them', 'select 1 -- ; commit\n; end', ['SELECT 1', 'END']],
    ['a carriage return ends a line comment', 'select 1 -- \r; commit', ['SELECT 1', 'COMMIT']],
    ['comments nest', '/* /* ; */ ; commit; */ select 1', ['SELECT 1']],
    ['a comment before the first word is skipped', '/* x */ -- y\n\tCoMMit', ['COMMIT']],
    ['a comment between words divides them', 'prepare/**/transaction', ['PREPARE TRANSACTION']],
    ['an open quote reaches to the end', "select '; commit", ["SELECT '"]],
    ['an open comment reaches to the end', 'select /* ; commit', ['SELECT']],
    ['an open dollar quote reaches to the end', 'select $x$ ; commit', ['SELECT $']],
    ['a space that is none for the server is part of a name', '\u00a0commit', ['\u00a0COMMIT']],
    [
      'the body of an SQL function is one statement',
      'create or replace function f() returns int begin atomic select 1; select case when true then 2 end; end; commit',
      ['CREATE OR', 'COMMIT'],
    ],
    ['the name begin elsewhere is nothing', 'create table begin (n int); commit', ['CREATE TABLE', 'COMMIT']],
  ] as const) {
    test(what, () => assert.deepEqual(firstWords(text), [...expected]));
  }

  const pieces = [
    'commit',
    ';',
    "'",
    '"',
    '$',
    '$$',
    '$a$',
    'E',
    '\\',
    '--',
    '/*',
    '*/',
    '\n',
    ' ',
    '1',
    '(',
    'ü',
    '\0',
  ];

  test('whatever the text, it is divided without an error, in pieces that are part of it', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string()), { maxLength: 60 }), (parts) => {
        const text = parts.join('');
        const statements = splitStatements(text);
        assert.ok(statements.length <= text.split(';').length);
        for (const { words } of statements) assert.ok(words.length >= 1 && words.length <= 8);
      }),
      { numRuns: 2000 },
    );
  });

  test('a statement behind any text that ends as it began is found', () => {
    const closed = fc.constantFrom(
      "'a;''b'",
      "E'\\'; '",
      '"x;"',
      '$$ ; $$',
      '$a$ ; $$ ; $a$',
      '/* ; /* */ ; */',
      '-- ;\n',
      ' 1 ',
      'name',
    );
    fc.assert(
      fc.property(fc.array(closed, { maxLength: 20 }), (parts) => {
        assert.deepEqual(firstWords(`select ${parts.join(' ')} ; commit prepared`).at(-1), 'COMMIT PREPARED');
      }),
    );
  });

  for (const piece of ["E'a'\n", "E'a' ", '/*', '$a', '$a$b$', "''", '--', "E'\\", '"', "e'a'\n--", ' \n', 'E', 'x$']) {
    test(`a long text of ${JSON.stringify(piece)} takes time in proportion to its length`, () => {
      const seconds = (length: number): number => {
        const text = piece.repeat(Math.ceil(length / piece.length));
        const started = process.cpuUsage().user;
        splitStatements(text);
        return process.cpuUsage().user - started;
      };
      seconds(100_000);
      const [short, long] = [Math.max(seconds(100_000), 2000), seconds(1_600_000)];
      assert.ok(long < short * 100, `${long} µs against ${short} µs for a sixteenth`);
    });
  }
});
