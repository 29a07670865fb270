import { parseAddress } from '../message/address.ts';
import { QueueOnOtherMachine } from '../queues/errors.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import type { QueueSettings, QueueStatus } from '../queues/queue-status.ts';
import { InvalidRequest } from './errors.ts';
import type { DeclaredQueue, DeclareQueueRequest } from './operations.ts';

/** Makes the queue, or changes those of its settings that are given; the same request twice leaves what the first made. */
export async function declareQueue(manager: QueueManager, request: DeclareQueueRequest): Promise<DeclaredQueue> {
  const { queue, machine } = parseAddress(request.queue);
  if (!manager.isHere(machine)) throw new QueueOnOtherMachine(request.queue, manager.machine);
  const before = manager.status().find((status) => status.queue === queue);
  const settings = mergeSettings(before === undefined ? {} : settingsOf(before), request.settings);
  await manager.declareQueue(queue, isGiven(request.settings) ? settings : undefined);
  return { queue, wasThere: before !== undefined, settings };
}

type GivenSettings = DeclareQueueRequest['settings'];

function isGiven(given: GivenSettings): boolean {
  return Object.values(given).some((value) => value !== undefined);
}

function settingsOf(status: QueueStatus): QueueSettings {
  const { quotaMessages, quotaBytes, journal, acceptFrom } = status;
  return {
    ...(quotaMessages !== undefined && { quotaMessages }),
    ...(quotaBytes !== undefined && { quotaBytes }),
    ...(journal && { journal }),
    ...(acceptFrom !== undefined && { acceptFrom }),
  };
}

function mergeSettings(before: QueueSettings, given: GivenSettings): QueueSettings {
  const merged: Record<string, unknown> = { ...before };
  for (const [name, value] of Object.entries(given)) {
    const check = SETTING_CHECKS[name as keyof QueueSettings];
    if (check === undefined) throw new InvalidRequest(`a queue has no setting '${name.slice(0, 80)}'`);
    if (value === undefined) continue;
    if (value === null) delete merged[name];
    else if (check(value)) merged[name] = value;
    else throw new InvalidRequest(`the setting '${name}' of a queue is ${JSON.stringify(value).slice(0, 80)}`);
  }
  return merged as QueueSettings;
}

const SETTING_CHECKS: { readonly [Name in keyof QueueSettings]-?: (value: unknown) => boolean } = {
  quotaMessages: isQuota,
  quotaBytes: isQuota,
  journal: (value) => typeof value === 'boolean',
  acceptFrom: (value) => Array.isArray(value) && value.every(isMachine),
};

function isQuota(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** @throws {InvalidAddress} with what is wrong with the name */
function isMachine(machine: unknown): boolean {
  return typeof machine === 'string' && parseAddress(`queue@${machine}`).machine === machine;
}
