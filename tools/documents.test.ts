import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { linkedFiles, matchesOutput, readExamples, readFencedBlocks } from './documents.ts';
import { REPOSITORY, readRepositoryFile, repositoryFiles } from './repository-files.ts';

const documents = repositoryFiles('*.md', 'docs/**/*.md');

describe('the documents', () => {
  test('every link to a file leads somewhere', () => {
    let links = 0;
    for (const path of documents) {
      for (const target of linkedFiles(path, readRepositoryFile(path))) {
        links++;
        assert.ok(existsSync(join(REPOSITORY, target)), `${path} links to ${target}, which is not there`);
      }
    }
    assert.ok(links >= 10, `only ${links} links found in ${documents.join(', ')}`);
  });

  test('README gives the two commands that a newcomer runs, and .ci/run runs the same', () => {
    const gate = readRepositoryFile('.ci/run');
    const { scripts } = JSON.parse(readRepositoryFile('package.json'));
    for (const command of ['npm ci && npm run demo', 'npm ci && npm test']) {
      assert.ok(readRepositoryFile('README.md').includes(command), `README.md no longer says '${command}'`);
      for (const step of command.split(' && ')) assert.ok(gate.includes(step), `.ci/run no longer runs '${step}'`);
    }
    assert.ok('demo' in scripts && 'test' in scripts);
  });
});

describe('the examples of a document', () => {
  test('carry their name, their place and what they print', () => {
    const markdown = 'A\n\n```ts example=one\ncode();\n```\n\n```text output=one\nhi\n```\n\n```ts fragment\n…\n```\n';
    assert.deepEqual(readExamples('a.md', markdown), {
      examples: [{ name: 'one', code: 'code();\n', output: 'hi\n', place: 'a.md:3' }],
      problems: [],
    });
  });

  test('a block of code without a mark is refused, in every spelling of its language', () => {
    for (const language of ['ts', 'typescript', 'js', 'javascript', 'mjs']) {
      assert.equal(readExamples('a.md', `\`\`\`${language}\ncode();\n\`\`\`\n`).problems.length, 1, language);
    }
    assert.equal(readExamples('a.md', '```sh\nnpm ci\n```\n').problems.length, 0);
  });

  test('two of one name, an output without its example and an example that is no ts are refused', () => {
    const twice = '```ts example=one\n```\n```ts example=one\n```\n';
    assert.match(readExamples('a.md', twice).problems.join(), /a\.md:3: one is there twice/);
    assert.match(readExamples('a.md', '```text output=one\n```\n').problems.join(), /no example 'one'/);
    assert.match(readExamples('a.md', '```js example=one\n```\n').problems.join(), /`ts example=…`/);
  });

  test('a fence inside a longer fence is text', () => {
    const markdown = '````md\n```ts\ncode();\n```\n````\n';
    assert.deepEqual(readFencedBlocks(markdown), [{ info: 'md', text: '```ts\ncode();\n```\n', line: 1 }]);
  });

  test('a block in a list is read without its indentation', () => {
    assert.equal(readFencedBlocks('1. a\n   ```ts\n   b(\n     1);\n   ```\n')[0]?.text, 'b(\n  1);\n');
  });
});

describe('the output of an example', () => {
  test('is compared to the letter, but for the end of the last line', () => {
    assert.equal(matchesOutput('a (b)\nc\n\n', 'a (b)\nc\n'), true);
    assert.equal(matchesOutput('a\nc\n', 'a\nb\n'), false);
    assert.equal(matchesOutput('a\nb\nc\n', 'a\nb\n'), false);
    assert.equal(matchesOutput(' a', 'a'), false);
    assert.equal(matchesOutput('axb', 'a.b'), false);
  });

  test('… stands for the rest of a line, and alone for any lines', () => {
    assert.equal(matchesOutput('id 123 ok\nend', 'id … ok\nend'), true);
    assert.equal(matchesOutput('id 123\nok\nend', 'id … ok\nend'), false);
    assert.equal(matchesOutput('a\n1\n2\nend', 'a\n…\nend'), true);
  });
});

describe('the links of a document', () => {
  test('are those to files, from the folder of the document, outside of code', () => {
    const markdown =
      '[a](../b.md#part) [c](https://example.org) [d](#here) `[e](f.md)` [`g`](h/)\n```\n[i](j.md)\n```\n';
    assert.deepEqual(linkedFiles('docs/a.md', markdown), ['b.md', 'docs/h/']);
  });
});
