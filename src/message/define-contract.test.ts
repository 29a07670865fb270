import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as z from 'zod';
import { nameOf } from './contract.ts';
import { defineCommand, defineEvent, defineMessage } from './define-contract.ts';

describe('a contract', () => {
  test('carries its kind, its name, and its schema and reply if it has them', () => {
    const schema = z.object({ orderId: z.string() });
    const Accepted = defineMessage('Sales.Accepted', schema);
    assert.deepEqual(defineCommand('Sales.Place', schema, { reply: Accepted }), {
      kind: 'command',
      name: 'Sales.Place',
      schema,
      reply: Accepted,
    });
    assert.deepEqual(defineCommand('Sales.Place', { reply: Accepted }).reply, Accepted);
    assert.equal(defineCommand('Sales.Place').schema, undefined);
    assert.equal(defineEvent('Sales.Placed', schema).kind, 'event');
    assert.equal(nameOf(Accepted), 'Sales.Accepted');
    assert.equal(nameOf('Sales.Accepted'), 'Sales.Accepted');
  });

  test('takes a schema that is a function, as some validators make them', () => {
    const schema = Object.assign(() => undefined, {
      '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => ({ value }) },
    });
    assert.equal(defineEvent('Sales.Placed', schema).schema, schema);
  });

  test('takes no schema that checks nothing', () => {
    const define = defineCommand as (name: string, ...rest: unknown[]) => unknown;
    const schema = z.object({});
    const wrong: [rest: unknown[], text: RegExp][] = [
      [[5], /'schema' is 5, which is no Standard Schema/],
      [[null], /'schema' is null,/],
      [[{ id: 'string' }], /'schema' is an object, .*zod, valibot, arktype/],
      [[{ '~standard': {} }], /'schema' is an object,/],
      [[schema, { replay: 1 }], /'contract\.replay' does not exist\. Did you mean 'reply'/],
      [[{ reply: 'Accepted' }], /'contract\.reply' is 'Accepted'\. Give what defineMessage/],
    ];
    for (const [rest, message] of wrong) {
      assert.throws(() => define('Sales.Place', ...rest), { code: 'INVALID_OPTION', message });
    }
    assert.doesNotThrow(() => define('Sales.Place', {}));
    assert.doesNotThrow(() => define('Sales.Place', undefined, undefined));
  });

  test('cannot be changed once it is defined', () => {
    assert.ok(Object.isFrozen(defineEvent('Sales.Placed')));
  });

  for (const name of ['', 'no spaces', 'a;b', 'a/b', "it's", '.starts', 'ä', '__proto__;x', 'x'.repeat(201)]) {
    test(`cannot be named ${JSON.stringify(name.slice(0, 20))}`, () => {
      assert.throws(() => defineCommand(name), { code: 'INVALID_MESSAGE_TYPE' });
    });
  }

  for (const name of ['a', 'Sales.Place+Inner', 'issue_comment:created', '$x-1', 'x'.repeat(200)]) {
    test(`can be named ${JSON.stringify(name.slice(0, 20))}`, () => assert.equal(defineEvent(name).name, name));
  }
});
