import type { PingDirection, PingStep } from '../ping-report.ts';
import { REASONS } from '../reasons.ts';
import { FieldReader } from '../wire/field-reader.ts';
import { PING_STEPS } from './ping-steps.ts';

/** The report of another machine, which is input: checked and cut to size. Undefined when it is none. */
export function readPingDirection(report: unknown): PingDirection | undefined {
  try {
    const fields = new FieldReader('REPORT', report);
    return {
      from: fields.machine('from'),
      to: fields.machine('to'),
      name: fields.text('name', NAME_LENGTH_MAX),
      port: fields.integer('port', 0, 65_535),
      steps: fields.list('steps', STEPS_MAX, readStep),
      isReached: fields.get('isReached') === true,
    };
  } catch {
    // What is wrong with it helps nobody here: the other side speaks another version.
    return undefined;
  }
}

function readStep(value: unknown): PingStep {
  const fields = new FieldReader('STEP', value);
  return {
    step: fields.oneOf('step', PING_STEPS),
    address: fields.optional('address', () => fields.text('address', NAME_LENGTH_MAX)),
    result: fields.oneOf('result', ['ok', 'failed', 'warning', 'skipped']),
    text: fields.text('text', TEXT_LENGTH_MAX),
    reason: fields.optional('reason', () => fields.oneOf('reason', REASONS)),
    mend: fields.optional('mend', () => fields.text('mend', TEXT_LENGTH_MAX)),
    tookMs: fields.optional('tookMs', () => fields.time('tookMs')),
  };
}

const NAME_LENGTH_MAX = 300;
const TEXT_LENGTH_MAX = 2_000;
/** Eight addresses of four steps, and the others. */
const STEPS_MAX = 64;
