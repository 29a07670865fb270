import { nameOf, type SentMessage } from './ledger.ts';
import type { SimulatedMachine } from './simulated-machine.ts';
import type { Universe } from './universe.ts';

/**
 * Stops everything in order, compares what was observed with what lies on the disks, and looks for every message.
 * Counts in Jepsen's words.
 */
export async function audit(universe: Universe): Promise<AuditReport> {
  const { world, machines, ledger } = universe;
  for (const machine of machines) await world.settle(`the stop of ${machine.name}`, 60_000, machine.stop());
  const report: AuditReport = {
    sent: 0,
    unknown: 0,
    recovered: 0,
    refused: 0,
    arrived: 0,
    deadLettered: 0,
    excused: 0,
  };
  if (world.failure !== undefined) return report;
  for (const machine of machines) compareWithDisk(universe, machine);
  for (const message of ledger.messages) judge(universe, message, report);
  return report;
}

export interface AuditReport {
  sent: number;
  /** The answer to the send was lost with its process. */
  unknown: number;
  /** Of those, the ones that had happened. */
  recovered: number;
  /** The send was refused, or rolled back. */
  refused: number;
  arrived: number;
  deadLettered: number;
  /** Lost with a store, as must be expected. */
  excused: number;
}

/** The observer must have seen what the production store says, or no other check means anything. */
function compareWithDisk(universe: Universe, machine: SimulatedMachine): void {
  const { memory, history } = machine.disk;
  const onDisk = memory.database?.prepare('SELECT count(*) AS count FROM message').get()?.count;
  let observed = 0;
  for (const { content } of history.places.values()) observed += content.size;
  const effects = memory.database
    ?.prepare("SELECT count(*) AS count FROM state WHERE key GLOB 'effect/*'")
    .get()?.count;
  let consumed = 0;
  for (const count of history.consumed.values()) consumed += count;
  if (onDisk !== observed || effects !== consumed) {
    universe.world.fail(
      'the simulation itself',
      `${machine.name} holds ${onDisk} messages and ${effects} effects, observed were ${observed} and ${consumed}`,
    );
  }
}

function judge(universe: Universe, message: SentMessage, report: AuditReport): void {
  const { world, ledger } = universe;
  const sender = universe.find(message.from)?.disk.history;
  const receiver = universe.find(message.to)?.disk.history;
  if (sender === undefined || receiver === undefined) return;
  const isConsumed = (receiver.consumed.get(message.id) ?? 0) > 0;
  const isDeadLettered = sender.deadLettered.has(message.id) || receiver.deadLettered.has(message.id);
  const isSettled = isConsumed || isDeadLettered || message.end !== undefined;
  report.sent++;
  if (message.everArrived > 0 || isConsumed) report.arrived++;
  if (isDeadLettered) report.deadLettered++;
  if (isSettled) checkAcknowledgements(universe, message);
  switch (message.outcome) {
    case 'failed':
      report.refused++;
      if (isConsumed && !ledger.isExcused(message)) {
        world.fail('unexpected', `${nameOf(message)} was refused to its sender and was consumed`);
      }
      return;
    case 'maybe':
      report.unknown++;
      if (isSettled) report.recovered++;
      if (message.everArrived === 0) return;
      break;
    case 'ok':
      break;
  }
  if (isSettled) return;
  // What a lost store alone held is lost with it; what the other one still had is not.
  if (ledger.hadIncident(message.from) || (ledger.hadIncident(message.to) && message.everArrived > 0)) {
    report.excused++;
    return;
  }
  world.fail('lost', `${nameOf(message)} was accepted, arrived ${message.everArrived} times, and is nowhere`);
}

/** Each question of a sender is answered once: whether its message reached its queue, and whether it was received. */
function checkAcknowledgements(universe: Universe, message: SentMessage): void {
  const { world, ledger } = universe;
  if (!message.isAcknowledged || message.end !== undefined || ledger.isExcused(message)) return;
  const sender = universe.find(message.from)?.disk.history;
  const receiver = universe.find(message.to)?.disk.history;
  const told = [...(sender?.acknowledgements.get(message.id) ?? [])].sort().join(' and ');
  const isRefused = sender?.deadLettered.has(message.id) === true && message.from !== message.to;
  const expected = isRefused
    ? /^NACK_[A-Z_]+$/
    : receiver?.deadLettered.has(message.id) === true
      ? /^ACK_REACH_QUEUE and NACK_RECEIVE_TIMEOUT$/
      : /^ACK_REACH_QUEUE and ACK_RECEIVE$/;
  if (!expected.test(told)) {
    world.fail(
      'acknowledgement',
      `the sender of ${nameOf(message)} was told '${told}', expected is ${expected.source}`,
    );
  }
}
