import type { LogicalStage } from '../stages.ts';

/**
 * Calls the handlers of the message's type one after the other, all in the transaction of this attempt: the first that
 * fails fails the message. Last of all. What handlers see around them (an ambient transaction) is to be set up here.
 */
export function invokeHandlers(): (context: LogicalStage) => Promise<void> {
  return async function invokeHandlers(context) {
    for (const handler of context.known.handlers) await handler(context.message, context);
  };
}
