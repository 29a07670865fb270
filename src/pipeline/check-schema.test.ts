import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import * as v from 'valibot';
import * as z from 'zod';
import { checkSchema, type SchemaVerdict } from './check-schema.ts';

function issuesOf(verdict: SchemaVerdict | Promise<SchemaVerdict>): string {
  assert.ok(!(verdict instanceof Promise));
  return verdict.isValid ? '' : verdict.issues;
}

describe('a schema', () => {
  const schemas: Record<string, StandardSchemaV1> = {
    zod: z.object({ lines: z.array(z.object({ amount: z.number() })) }),
    valibot: v.object({ lines: v.array(v.object({ amount: v.number() })) }),
  };
  for (const [vendor, schema] of Object.entries(schemas)) {
    test(`of ${vendor} tells what does not fit, and where, without quoting the body`, () => {
      for (const amount of ['canary', 4711, -4711, { canary: 1 }]) {
        const body = typeof amount === 'number' ? { lines: amount } : { lines: [{ amount: 1 }, { amount }] };
        const issues = issuesOf(checkSchema(schema, body));
        assert.match(issues, typeof amount === 'number' ? /^lines: / : /^lines\.1\.amount: /);
        assert.doesNotMatch(issues, /canary|4711/);
      }
    });
  }

  test('gives its output, also one that it made itself, and a promise only when it answers later', async () => {
    const dates = z.object({ at: z.coerce.date() });
    assert.deepEqual(checkSchema(dates, { at: '2030-01-01' }), {
      isValid: true,
      output: { at: new Date('2030-01-01') },
    });
    const later = checkSchema(
      z.string().refine(async () => true),
      'x',
    );
    assert.ok(later instanceof Promise);
    assert.deepEqual(await later, { isValid: true, output: 'x' });
  });

  test('with many complaints tells the first five and counts the rest', () => {
    const issues = issuesOf(
      checkSchema(
        z.array(z.string()),
        Array.from({ length: 40 }, (_, index) => index),
      ),
    );
    assert.equal(issues.split('; ').length, 6);
    assert.match(issues, /and 35 more$/);
  });
});
