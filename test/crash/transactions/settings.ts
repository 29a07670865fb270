/** What a life of the transactions' crash test is told when it begins. */
export interface LifeSettings {
  readonly directory: string;
  /** Of the databases that each handler writes to. */
  readonly postgres?: string;
  readonly mariadb?: string;
  readonly concurrency: number;
  /** Stays until everything is handled and settled; others handle until they are killed. */
  readonly isLast: boolean;
}

/** Each message carries its number; each handler writes it into every database and sends it on. */
export interface Numbered {
  readonly number: number;
}

export const INPUT_QUEUE = 'input';
export const OUTPUT_QUEUE = 'output';
export const ERROR_QUEUE = 'error';
export const MESSAGE_TYPE = 'Crash.Numbered';
/** No key: what is inserted twice is seen twice. */
export const TABLE = 'crash_handled';
