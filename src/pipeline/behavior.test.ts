import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Behavior, PipelineBuilder, type UserBehavior } from './behavior.ts';

interface First {
  readonly walk: string[];
}
interface Second extends First {
  readonly found: string;
}

const find: Behavior<First, Second> = function find(context, next) {
  context.walk.push('find');
  return next({ ...context, found: 'it' });
};

describe('a pipeline', () => {
  test('runs its behaviors in reading order and hands each stage’s context on', async () => {
    const walk: string[] = [];
    const around: Behavior<First> = async function around(context, next) {
      context.walk.push('in');
      await next(context);
      context.walk.push('out');
    };
    const pipeline = PipelineBuilder.startingWith<First>()
      .use(around)
      .use(find)
      .end(async function last(context) {
        context.walk.push(`last ${context.found}`);
      });
    await pipeline.run({ walk });
    assert.deepEqual(walk, ['in', 'find', 'last it', 'out']);
    assert.deepEqual(pipeline.names, ['around', 'find', 'last']);
  });

  test('a wrong order does not compile', () => {
    const needsSecond: Behavior<Second> = (context, next) => next(context);
    const builder = PipelineBuilder.startingWith<First>();
    // @ts-expect-error what needs the second stage cannot stand before the behavior that makes it
    builder.use(needsSecond);
    builder.use(find).use(needsSecond);
    // @ts-expect-error the end needs what the stage before it knows
    builder.end(async (context: Second) => void context.found);
  });

  test('a user’s behavior that calls next twice is refused, and one that never calls it ends the walk', async () => {
    const ran: string[] = [];
    const twice: UserBehavior<First> = async function twice(_context, next) {
      await next();
      await next();
    };
    const never: UserBehavior<First> = async function never() {};
    const make = (behavior: UserBehavior<First>) =>
      PipelineBuilder.startingWith<First>()
        .useAll([behavior])
        .end(async function last() {
          ran.push(behavior.name);
        });
    await assert.rejects(make(twice).run({ walk: [] }), { code: 'NEXT_CALLED_TWICE', message: /'twice'/ });
    await make(never).run({ walk: [] });
    assert.deepEqual(ran, ['twice']);
    assert.deepEqual(make(twice).names, ['user:twice', 'last']);
  });
});
