import type { LogicalStage } from '../stages.ts';

/**
 * Calls the handlers of the message's type one after the other, all in the transaction of this attempt: the first that
 * fails fails the message. Last of all. The ambient transaction that they find was set up by the processing loop, around all
 * behaviors.
 */
export function invokeHandlers(): (context: LogicalStage) => Promise<void> {
  return async function invokeHandlers(context) {
    for (const handler of context.known.handlers) await handler(context.message, context);
  };
}
