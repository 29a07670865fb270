import { DriverMissing } from '../../transactions/errors.ts';

/** What `load` imports. @throws DRIVER_MISSING with the command when that package is not installed */
export async function loadDriver<Driver>(
  { resource, packageName }: { readonly resource: string; readonly packageName: string },
  load: () => Promise<Driver>,
): Promise<Driver> {
  try {
    return await load();
  } catch (error) {
    if (isMissing(error, packageName)) throw new DriverMissing(resource, packageName, { cause: error });
    throw error;
  }
}

function isMissing(error: unknown, packageName: string): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false;
  const isNotFound = error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND';
  return isNotFound && error.message.includes(`'${packageName}'`);
}
