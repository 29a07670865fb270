import { PosthornError } from '../message/posthorn-error.ts';

/** A message was sent without saying where to, and no route says it either. Nothing was sent. */
export class NoRoute extends PosthornError {
  readonly code = 'NO_ROUTE';

  constructor(type: string) {
    super(
      `There is no route for '${type}', so it was not sent.`,
      `Say where to with send(…, { to: 'queue' }), or add route('${type}', 'queue') to the endpoint's option 'routes'.`,
    );
  }
}
