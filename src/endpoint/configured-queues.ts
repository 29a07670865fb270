import { type Address, parseAddress } from '../message/address.ts';
import { InvalidOption } from '../message/errors.ts';
import type { RecoverabilityConfig } from '../recoverability/recoverability-config.ts';
import type { Resource } from '../transactions/resource.ts';
import type { EndpointOptions } from './endpoint-options.ts';

/** A queue beside its own that an endpoint's options name, and the option. */
export interface ConfiguredQueue {
  readonly option: string;
  readonly what: 'error queue' | 'audit queue';
  readonly text: string;
  readonly address: Address;
}

/** @throws {InvalidAddress} */
export function configuredQueues(
  config: RecoverabilityConfig,
  options: EndpointOptions<Resource>,
): readonly ConfiguredQueue[] {
  const places = [
    ['recoverability.errorQueue', 'error queue', config.errorQueue],
    ...config.rules.map(
      (rule, index) => [`recoverability.rules[${index}].errorQueue`, 'error queue', rule.errorQueue] as const,
    ),
    ['audit.queue', 'audit queue', options.audit?.queue],
  ] as const;
  return places.flatMap(([option, what, text]) =>
    text === undefined ? [] : [{ option, what, text, address: parseAddress(text) }],
  );
}

/**
 * A failed message that came back to the queue it failed in would fail for ever. A queue of the same name on another machine
 * is another queue.
 *
 * @throws {InvalidOption}
 */
export function refuseOwnQueue(
  name: string,
  queues: readonly ConfiguredQueue[],
  isHere: (machine: string | undefined) => boolean,
): void {
  for (const { option, text, address } of queues) {
    if (address.queue !== name || !isHere(address.machine)) continue;
    throw new InvalidOption(option, `is '${text}', the endpoint's own queue`, 'Name another queue.');
  }
}
