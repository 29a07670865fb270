import { PosthornError } from '../message/posthorn-error.ts';

/** The default failure that a test injects. */
export class InjectedFailure extends PosthornError {
  readonly code = 'INJECTED_FAILURE';

  constructor(at: string) {
    super(`A test asked for this failure (${at}).`, '');
  }
}

/** A test waited for quiet, and it did not come. */
export class BusNotQuiet extends PosthornError {
  readonly code = 'BUS_NOT_QUIET';

  constructor(busy: readonly string[], waitedMs: number) {
    super(
      `The bus is not quiet after ${Math.round(waitedMs)} ms: ${busy.length === 0 ? 'it never stands still' : busy.join('; ')}.`,
      'Let the handlers end, break the loop of messages, or give quiet() a longer limitMs.',
    );
  }
}

/** A test asked for an endpoint that its bus does not have. */
export class NoSuchTestEndpoint extends PosthornError {
  readonly code = 'NO_SUCH_TEST_ENDPOINT';

  constructor(what: string, known: readonly string[]) {
    super(
      `No endpoint of this bus ${what}.`,
      `It has ${known.length === 0 ? 'none' : known.map((name) => `'${name}'`).join(', ')}: add one to createTestBus({ endpoints }), or say where to with { to }.`,
    );
  }
}

/** A test bus was used after its end. */
export class TestBusDisposed extends PosthornError {
  readonly code = 'TEST_BUS_DISPOSED';

  constructor() {
    super('This test bus has been disposed of.', 'Make one for each test, and await everything before its end.');
  }
}
