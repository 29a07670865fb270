import type { Timers } from '../io/io.ts';
import { type OpenTlsFiles, openTlsFiles, TlsFilesFailure } from '../io/tls-files.ts';
import { KeysUnusable } from './errors.ts';
import type { TlsFiles } from './network-settings.ts';

/**
 * The keys of this machine, read again when they change.
 *
 * @throws {KeysUnusable} what is there now cannot be used; later, `failed` is told and those from before stay in use
 */
export function openTlsSource(files: TlsFiles, timers: Timers, failed: (error: Error) => void): OpenTlsFiles {
  try {
    return openTlsFiles(files, { timers, failed });
  } catch (error) {
    if (!(error instanceof TlsFilesFailure)) throw error;
    throw new KeysUnusable(error.message, { cause: error });
  }
}
