import type { Transport } from '../transport/transport.ts';
import type { EndpointDescription } from './endpoint-description.ts';
import type { ResolvedOptions } from './resolve-options.ts';

/** Logs how an endpoint that has just started works. `transport` is undefined where it only sends, over a control socket. */
export function tellStarted(
  description: EndpointDescription,
  options: ResolvedOptions,
  transport: Transport | undefined,
): void {
  const { name, address, concurrency, mode, attemptsMax, resources } = description;
  const { recoverability, logger, isSendOnly, queues } = options;
  for (const { what, text, address: elsewhere } of transport === undefined || isSendOnly ? [] : queues) {
    if (transport?.isHere(elsewhere.machine) === true) continue;
    logger.info(
      `The ${what} '${text}' of endpoint '${name}' stands on another machine: messages for it leave through the outgoing queue.`,
    );
  }
  for (const { name: resource, protocol } of resources) {
    logger.info(`Transactions of endpoint '${name}' take database '${resource}' along: ${protocol}.`);
  }
  const { immediateRetries, delayedRetries, errorQueue } = recoverability;
  const attempts = `${attemptsMax} (${immediateRetries + 1} × ${delayedRetries + 1})`;
  logger.info(
    isSendOnly
      ? `Endpoint '${name}' is ready to send.`
      : `Endpoint '${name}' handles ${address}: mode ${mode}, ${concurrency} at a time, attempts at most ${attempts}, then '${errorQueue}'.`,
  );
}
