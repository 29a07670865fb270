/*
 * What a module for `posthorn host` may export, in strict mode. Checked by the compiler; nothing here runs.
 */
import { Endpoint, type HostContext } from 'posthorn';

/** The whole context has names that users can write. */
export default (host: HostContext): Endpoint => {
  const { directory, role, logger } = host satisfies HostContext;
  logger.info(`in ${directory}`);
  return new Endpoint('sales', { directory, role, logger });
};

// @ts-expect-error the context has nothing by which a module could stop the host
export const stops = (host: HostContext) => host.stop();
