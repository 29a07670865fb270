import { NextCalledTwice } from './errors.ts';

/**
 * One step on a message's way to its handlers. It takes the context of its stage and hands that of the next one on;
 * `next` runs everything after it, so what stands behind `await next(…)` runs on the way back.
 *
 * Makers return a named function: the names are the order that `receive-pipeline.approved.txt` shows.
 */
export type Behavior<In, Out = In> = (context: In, next: (context: Out) => Promise<void>) => Promise<void>;

/** A user's step: it stays in its stage, so `next` needs no context. Not calling `next` means: handled, without handlers. */
export type UserBehavior<Context> = (context: Context, next: () => Promise<void>) => Promise<void>;

/** A chain that was put together once and runs for every message, without making anything per message. */
export interface Pipeline<First> {
  /** Names of the behaviors, in order. */
  readonly names: readonly string[];
  run(context: First): Promise<void>;
}

/** Puts a chain together in reading order; a behavior that does not fit the stage it stands in does not compile. */
export class PipelineBuilder<First, Present> {
  // Each behavior checked its stages when it was added; here they only have to be called in order.
  readonly #behaviors: readonly Behavior<never, unknown>[];

  private constructor(behaviors: readonly Behavior<never, unknown>[]) {
    this.#behaviors = behaviors;
  }

  static startingWith<First>(): PipelineBuilder<First, First> {
    return new PipelineBuilder([]);
  }

  use<Out>(behavior: Behavior<Present, Out>): PipelineBuilder<First, Out> {
    return new PipelineBuilder([...this.#behaviors, behavior]);
  }

  /** The users' behaviors of this stage, in the order in which they were added. */
  useAll(behaviors: readonly UserBehavior<Present>[]): PipelineBuilder<First, Present> {
    return behaviors.reduce<PipelineBuilder<First, Present>>((builder, each) => builder.use(guarded(each)), this);
  }

  end(terminator: (context: Present) => Promise<void>): Pipeline<First> {
    let run = terminator as (context: unknown) => Promise<void>;
    for (const behavior of this.#behaviors.toReversed()) {
      const next = run;
      run = (context) => behavior(context as never, next);
    }
    return { names: [...this.#behaviors, terminator].map((each) => each.name), run };
  }
}

/** Keeps handlers from running twice in one transaction, and gives users a `next` that never throws in passing. */
function guarded<Context>(behavior: UserBehavior<Context>): Behavior<Context> {
  const wrapped: Behavior<Context> = async (context, next) => {
    let isCalled = false;
    await behavior(context, async () => {
      if (isCalled) throw new NextCalledTwice(behavior.name);
      isCalled = true;
      await next(context);
    });
  };
  Object.defineProperty(wrapped, 'name', { value: `user:${behavior.name}` });
  return wrapped;
}
