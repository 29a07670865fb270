import type { OutgoingStatus } from '../../src/transfer/outgoing-status.ts';
import { STREAM_WINDOW_MESSAGES } from '../../src/transfer/wire/limits.ts';
import { type AuditReport, audit } from './audit.ts';
import { Coverage } from './coverage.ts';
import { type FaultRates, Nemesis } from './nemesis.ts';
import { type MachinePlan, type PlannedMessage, type PlannedSend, runPrograms, sendBatch } from './programs.ts';
import { Trace } from './trace.ts';
import { Universe } from './universe.ts';
import type { SimulationFailure } from './world.ts';

/**
 * One run: everything in it follows from the seed.
 *
 * 1  safety: machines send and receive while the nemesis does harm
 * 2  liveness: everything heals, no more harm; within `HEALED_MS_MAX` all queues must be drained. Then one machine is
 *    killed and restarted: what was sent to it meanwhile must be there soon, as on a first day
 * 3  audit: all processes stop in order, and every message is looked for
 */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<SeedResult> {
  const coverage = new Coverage();
  const trace = new Trace({ print: options.print, keptMax: 2_000 });
  const universe = new Universe({ seed, trace, coverage });
  const { world } = universe;
  const onRejection = (reason: unknown): void =>
    world.fail('unhandled rejection', reason instanceof Error ? String(reason.stack) : String(reason));
  process.on('unhandledRejection', onRejection);
  let report: AuditReport | undefined;
  try {
    const safetyMs = options.safetyMs ?? 30_000 * 4 ** world.random.fraction();
    const plans = setUp(universe, safetyMs);
    const nemesis = new Nemesis(universe, chooseRates(universe));
    await startAll(universe);
    nemesis.begin();
    watchStates(universe);
    await world.run(world.nowMs + safetyMs);
    if (world.failure === undefined) await nemesis.heal();
    for (const plan of plans) plan.sends.length = 0;
    if (world.failure === undefined) await drain(universe, HEALED_MS_MAX);
    if (world.failure === undefined) await restartOne(universe);
    if (world.failure === undefined) await drain(universe, HEALED_MS_MAX);
    if (world.failure === undefined) report = await audit(universe);
  } catch (error) {
    world.fail('the simulation itself', error instanceof Error ? String(error.stack) : String(error));
  } finally {
    process.off('unhandledRejection', onRejection);
  }
  return {
    seed,
    failure: world.failure,
    hash: trace.hash,
    eventCount: world.eventCount,
    virtualMs: world.nowMs,
    report,
    coverage,
    lastLines: trace.last(options.linesKept ?? 60),
  };
}

export interface RunOptions {
  readonly safetyMs?: number | undefined;
  readonly print?: ((line: string) => void) | undefined;
  readonly linesKept?: number;
}

export interface SeedResult {
  readonly seed: number;
  readonly failure: SimulationFailure | undefined;
  readonly hash: string;
  readonly eventCount: number;
  readonly virtualMs: number;
  readonly report: AuditReport | undefined;
  readonly coverage: Coverage;
  readonly lastLines: readonly string[];
}

function setUp(universe: Universe, safetyMs: number): MachinePlan[] {
  const { world } = universe;
  const { random } = world;
  const count = 2 + random.integer(3);
  const hasTls = random.fraction() < 0.3;
  // Nobody can reach it, so nobody sends to it, and nobody can wake it: it must come by itself.
  const deaf = count > 2 && random.fraction() < 0.3 ? NAMES[count - 1] : undefined;
  for (const name of NAMES.slice(0, count)) {
    universe.addMachine(name, {
      hasTls,
      isDeaf: name === deaf,
      syncMs: 0.2 * 100 ** random.fraction(),
      ...(random.fraction() < 0.1 && { bodyBytesMax: 2_000 }),
      // Longer than any trouble with a disk lasts, so that a queue is not called missing because of it.
      missingQueueGraceMs: 60_000,
    });
  }
  universe.internet.manners.cutRate = random.fraction() < 0.5 ? 0 : random.fraction();
  universe.internet.manners.unreachableRate = random.fraction() < 0.5 ? 0 : 0.5;
  for (const one of universe.machines) {
    for (const other of universe.machines) {
      const way = universe.internet.way(one.host, other.host);
      way.latencyMs = 0.1 * 300 ** random.fraction();
      way.jitterMs = way.latencyMs * random.fraction();
      way.bytesPerMs = 50 * 1_000 ** random.fraction();
    }
  }
  const plans: MachinePlan[] = [];
  for (const machine of universe.machines) {
    const plan = makePlan(universe, machine.name, safetyMs);
    plans.push(plan);
    machine.program = (running) => runPrograms(universe, plan, running);
  }
  return plans;
}

function makePlan(universe: Universe, name: string, safetyMs: number): MachinePlan {
  const { random } = universe.world;
  const isLate = random.fraction() < 0.3;
  const queues = QUEUES.map((queue) => ({
    name: queue,
    madeAfterMs: isLate ? 1_500 * random.fraction() : 0,
  }));
  const sends: PlannedSend[] = [];
  const batchCount = 10 + random.integer(40);
  for (let batch = 0; batch < batchCount; batch++) {
    sends.push({
      atMs: safetyMs * random.fraction(),
      messages: Array.from({ length: 1 + random.integer(random.fraction() < 0.1 ? 12 : 4) }, () =>
        chooseMessage(universe, name),
      ),
      unit: random.fraction() < 0.7 ? 'none' : random.fraction() < 0.8 ? 'committed' : 'rolledBack',
    });
  }
  sends.sort((one, other) => one.atMs - other.atMs);
  return {
    queues,
    sends,
    consumersPerQueue: 1 + random.integer(3),
    handlingMsMax: random.fraction() < 0.7 ? 10 : 500,
    rollbackRate: random.fraction() < 0.5 ? 0 : 0.1,
    forwardRate: random.fraction() < 0.5 ? 0 : 0.15,
    chooseForward: () => chooseMessage(universe, name),
  };
}

function chooseMessage(universe: Universe, from: string): PlannedMessage {
  const { random } = universe.world;
  const others = universe.machines.filter(({ name, options }) => name !== from && options.isDeaf !== true);
  const isDeaf = universe.find(from)?.options.isDeaf === true;
  const isLocal = random.fraction() < 0.05;
  const to = isLocal ? from : (others[random.integer(others.length)]?.name ?? from);
  const isNowhere = !isLocal && random.fraction() < 0.02;
  const hasTimeToReach = !isLocal && random.fraction() < 0.08;
  const hasTimeToBeReceived = random.fraction() < 0.04;
  const hasDelay = random.fraction() < 0.08;
  const padding = random.fraction() < 0.9 ? random.integer(300) : random.integer(20_000);
  const isTooLarge = (universe.find(to)?.options.bodyBytesMax ?? Number.POSITIVE_INFINITY) < padding + 100;
  return {
    to,
    queue: isNowhere ? 'nowhere' : (QUEUES[random.integer(QUEUES.length)] as string),
    priority: random.fraction() < 0.8 ? 3 : random.integer(8),
    padding,
    ...(hasDelay && { delayMs: 10_000 * random.fraction() }),
    ...(hasTimeToReach && { timeToReachQueueMs: 10 + 20_000 * random.fraction() ** 2 }),
    ...(hasTimeToBeReceived && { timeToBeReceivedMs: 10 + 30_000 * random.fraction() ** 2 }),
    mayBeRefused: isNowhere || hasTimeToReach || hasTimeToBeReceived || isTooLarge,
    isAcknowledged: random.fraction() < 0.15 && !isDeaf,
  };
}

/** Swarm testing: in each run some faults are frequent and others never happen. */
function chooseRates(universe: Universe): FaultRates {
  const { random } = universe.world;
  const rate = (share: number): number => (random.fraction() < share ? random.fraction() ** 2 : 0);
  return {
    meanPauseMs: 500 * 20 ** random.fraction(),
    kill: rate(0.7),
    ambush: rate(0.7),
    powerOff: rate(0.4),
    pause: rate(0.4),
    partition: rate(0.5),
    reset: rate(0.5),
    move: rate(0.4),
    flap: rate(0.3),
    swap: rate(0.2),
    names: rate(0.4),
    mislead: rate(0.3),
    slowDisk: rate(0.4),
    failSync: rate(0.3),
    full: rate(0.3),
    quota: rate(0.4),
    clock: rate(0.2),
    listener: rate(0.2),
    operator: rate(0.4),
    incident: rate(0.25),
  };
}

async function startAll(universe: Universe): Promise<void> {
  for (const machine of universe.machines) {
    await universe.world.settle(`the start of ${machine.name}`, 30_000, machine.start());
  }
}

/** I10, now and then: every outgoing queue that is not moving says why, and when it goes on. */
function watchStates(universe: Universe): void {
  const { world } = universe;
  world.at(1_000 + 9_000 * world.random.fraction(), () => {
    for (const { running } of universe.machines) {
      if (running === undefined || running.process.isPaused) continue;
      running.transfer.describeOutgoing().then(
        (all) => {
          // A store that is full or has failed is told by itself; its end, or a person, brings the next attempt.
          if (running.manager.storeCondition.state !== 'ready') return;
          for (const status of all) checkStatus(universe, running.process.name, status);
        },
        () => undefined,
      );
    }
    watchStates(universe);
  });
}

function checkStatus(universe: Universe, where: string, status: OutgoingStatus): void {
  const { world, coverage } = universe;
  const { state, reason, text, nextAttemptInMs, queue } = status;
  coverage.count(`state ${state} ${reason ?? ''}`.trimEnd());
  const isMoving = state === 'CONNECTED' || state === 'RESOLVING' || state === 'CONNECTING';
  if (!isMoving && reason === undefined)
    world.fail('I10 no reason', `${queue} of ${where} is ${state} without a reason`);
  if (status.unacknowledged > STREAM_WINDOW_MESSAGES) {
    world.fail('I8 unbounded', `${queue} of ${where} has ${status.unacknowledged} messages on the way`);
  }
  if (text === '') world.fail('I10 no reason', `${queue} of ${where} is ${state} without a text`);
  // The pauses begin at 250 ms, or 5 s when somebody refused, and double from the last success on.
  const pauseMsMax = (state === 'REFUSED' ? 6_000 : 300) * 2 ** Math.max(0, status.attempt - 2);
  if (needsBackoff(status) && (nextAttemptInMs ?? 0) > pauseMsMax) {
    world.fail('backoff', `${queue} of ${where} waits ${nextAttemptInMs} ms before attempt ${status.attempt}: ${text}`);
  }
  // After an outcome that stays unknown (LOCAL_STORE) only a new start of the process helps.
  const needsTime = state === 'WAITING' || state === 'REFUSED' || state === 'PAUSED_BY_PEER';
  if (needsTime && reason !== 'LOCAL_STORE' && nextAttemptInMs === undefined) {
    world.fail('I10 no next attempt', `${queue} of ${where} is ${state} (${reason}) and never tries again: ${text}`);
  }
}

function needsBackoff({ state, reason }: OutgoingStatus): boolean {
  return (state === 'WAITING' || state === 'REFUSED') && reason !== 'LOCAL_STORE';
}

/** Everything in these queues must be handed over and consumed. */
async function drain(universe: Universe, withinMs: number, queue = /@|^in-/): Promise<void> {
  const { world } = universe;
  const untilMs = world.nowMs + withinMs;
  while (world.failure === undefined && world.nowMs < untilMs) {
    await world.advance(1_000);
    if (whatIsLeft(universe, queue).length === 0) return;
  }
  if (world.failure !== undefined) return;
  const left = whatIsLeft(universe, queue);
  const states = await world.settle('describeOutgoing', 10_000, describeAll(universe));
  world.fail(
    'liveness',
    `${withinMs / 1_000} s after everything healed: ${left.join('; ')}\n${states?.join('\n') ?? ''}`,
  );
}

/** Nothing of the harm before may show in how soon a machine is reached again. */
async function restartOne(universe: Universe): Promise<void> {
  const { world, machines } = universe;
  const reachable = machines.filter(({ options }) => options.isDeaf !== true);
  const one = reachable[world.random.integer(reachable.length)];
  if (one === undefined) return;
  one.kill();
  const sent = machines.flatMap(({ running }) =>
    running === undefined
      ? []
      : [sendBatch(universe, running, { atMs: 0, messages: [probeFor(one.name)], unit: 'none' })],
  );
  await world.settle('the sends to a machine that is down', 10_000, Promise.all(sent));
  await world.advance(500 + 1_500 * world.random.fraction());
  await world.settle('a restart', 10_000, one.start());
  await drain(universe, RESTARTED_MS_MAX, new RegExp(`^in-1@${one.name}$`));
}

function probeFor(to: string): PlannedMessage {
  return { to, queue: 'in-1', priority: 3, padding: 10 };
}

function whatIsLeft(universe: Universe, wanted: RegExp): string[] {
  return universe.machines.flatMap(({ name, running }) => {
    if (running === undefined) return [`${name} is down`];
    return [...running.manager.status(), ...running.manager.outgoingStatus()]
      .filter(({ queue, messages, delayed }) => {
        return wanted.test(queue) && messages + delayed > 0;
      })
      .map(({ queue, messages, delayed }) => `${queue} of ${name} holds ${messages} messages and ${delayed} delayed`);
  });
}

async function describeAll(universe: Universe): Promise<string[]> {
  const lines: string[] = [];
  for (const { name, running } of universe.machines) {
    for (const status of (await running?.transfer.describeOutgoing()) ?? []) {
      const { queue, state, reason, messages, unacknowledged, nextAttemptInMs, text } = status;
      lines.push(
        `${name} ${queue} ${state} ${reason ?? ''} ${messages}/${unacknowledged} next ${nextAttemptInMs}: ${text}`,
      );
    }
  }
  return lines;
}

const NAMES = ['alpha', 'beta', 'gamma', 'delta'];
const QUEUES = ['in-1', 'in-2'];
const HEALED_MS_MAX = 300_000;
/** The pauses between attempts have not grown beyond 2 s when it is back; a queue may take 1.5 s to be made, and 2 s to be asked for again. */
const RESTARTED_MS_MAX = 15_000;
