import { PosthornError } from '../message/posthorn-error.ts';

/** A module given to the host could not be loaded, has no endpoint in it, or something else where one is meant. Nothing was started. */
export class EndpointModuleInvalid extends PosthornError {
  readonly code = 'ENDPOINT_MODULE_INVALID';

  constructor(path: string, why: string, mend: string, options?: ErrorOptions) {
    super(`'${path}' ${why}.`, mend, options);
  }
}

/** Two endpoints of one host have the same name, so they would take each other's messages. Nothing was started. */
export class EndpointNameTaken extends PosthornError {
  readonly code = 'ENDPOINT_NAME_TAKEN';

  constructor(name: string, path: string, otherPath: string) {
    super(
      `'${path}' and '${otherPath}' both have an endpoint '${name}'.`,
      'Give one of them another name, or raise the concurrency of one instead of starting it twice.',
    );
  }
}
