import {
  FLAG,
  FUNCTION,
  having,
  listOf,
  MILLISECONDS,
  named,
  oneOf,
  type Shape,
  WAIT_MS,
} from '../message/option-shapes.ts';

const MAKER: Shape = {
  ...FUNCTION,
  mend: "Give a function that makes it: (options) => new Endpoint('sales', options).",
};

export const MAKERS = listOf(MAKER);
export const DOWN_OPTIONS = named({ downForMs: MILLISECONDS });
export const QUIET_OPTIONS = named({ throughDelays: FLAG, limitMs: WAIT_MS });
export const PLACE_KIND = oneOf(['queue', 'delayed', 'journal']);
export const DATE: Shape = {
  fits: (value) => value instanceof Date && !Number.isNaN(value.getTime()),
  mend: 'Give a Date.',
};
export const LOGGER = having(['debug', 'info', 'warn', 'error', 'child'], 'Give { debug, info, warn, error, child }.');
export const SEED: Shape = { fits: Number.isFinite, mend: 'Give a number.' };
export const JUMP: Shape = { fits: Number.isFinite, mend: 'Give milliseconds; a negative number sets the clock back.' };
