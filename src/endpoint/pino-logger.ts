import type { LogFields, Logger } from '../io/logger.ts';

/** What Posthorn needs of pino; any logger with these methods and argument order will do. */
export interface PinoLike {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
  child(fields: object): PinoLike;
}

/** A logger on pino. Errors go under `err`, where pino's own serializer looks for them. */
export function pinoLogger(pino: PinoLike): Logger {
  return {
    debug: (text, fields) => pino.debug(pinoFields(fields), text),
    info: (text, fields) => pino.info(pinoFields(fields), text),
    warn: (text, fields) => pino.warn(pinoFields(fields), text),
    error: (text, fields) => pino.error(pinoFields(fields), text),
    child: (fields) => pinoLogger(pino.child(pinoFields(fields))),
  };
}

function pinoFields(fields: LogFields | undefined): object {
  if (fields === undefined || !('error' in fields)) return fields ?? {};
  const { error, ...others } = fields;
  return { ...others, err: error };
}
