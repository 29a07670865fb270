import { join, resolve } from 'node:path';
import { type DescribedCertificate, describeKeys } from '../../keys/describe-keys.ts';
import { makeAuthority } from '../../keys/make-authority.ts';
import { makeMachineCertificate } from '../../keys/make-machine-certificate.ts';
import { countOf, isoTime } from '../format.ts';
import { harmless, type Terminal } from '../terminal.ts';
import { checkMachineName, parseWhole } from '../values.ts';
import { type CommonOptions, directoryOf, type ExitCode, printJson, type VerbContext } from '../verb.ts';

export interface KeysOptions extends CommonOptions {
  readonly name?: string;
  readonly days?: string;
  readonly out?: string;
  readonly replace?: boolean;
}

/** `posthorn keys authority`: a certificate authority for those who have none. */
export async function makeKeysAuthority(context: VerbContext, options: KeysOptions): Promise<ExitCode> {
  const { terminal, io } = context;
  const replaces = options.replace === true;
  const made = await makeAuthority(keysDirectoryOf(context, options), {
    io,
    replaces,
    name: options.name,
    days: daysOf(options),
  });
  if (options.json === true) {
    printJson(terminal, {
      made: 'authority',
      name: made.name,
      files: made.files,
      validUntil: isoTime(made.notAfterMs),
    });
    return 0;
  }
  terminal.print(`Made the certificate authority '${harmless(made.name)}', valid until ${dayOf(made.notAfterMs)}:`);
  terminal.print(`  ${made.files.certificate}`);
  terminal.print(`  ${made.files.key}`);
  terminal.note('Keep the key secret, and on this machine only. Every machine needs a certificate of its own:');
  terminal.note('  posthorn keys machine NAME             for this machine');
  terminal.note('  posthorn keys machine NAME --out DIR   for another machine');
  return 0;
}

/** `posthorn keys machine NAME`: key and certificate of a machine; with `--out`, all that another machine needs. */
export async function makeKeysMachine(context: VerbContext, machine: string, options: KeysOptions): Promise<ExitCode> {
  const { terminal, io } = context;
  checkMachineName(machine);
  const made = await makeMachineCertificate(keysDirectoryOf(context, options), machine, {
    io,
    replaces: options.replace === true,
    out: options.out === undefined ? undefined : resolve(options.out),
    days: daysOf(options),
  });
  const files = { ...made.files, authority: made.authorityFile };
  if (options.json === true) {
    const { authority, notAfterMs } = made;
    printJson(terminal, { made: 'machine', machine: made.machine, authority, files, validUntil: isoTime(notAfterMs) });
    return 0;
  }
  terminal.print(`Made the certificate of machine '${made.machine}', valid until ${dayOf(made.notAfterMs)}:`);
  for (const file of [files.key, files.certificate, files.authority]) terminal.print(`  ${file}`);
  const hints =
    options.out === undefined
      ? [
          'The queue manager of this directory uses them from its next start; one that uses TLS',
          'already reads them again within seconds.',
        ]
      : [
          `Bring the three files to ${made.machine}, into the folder 'keys' of its data directory, over`,
          'a way that nobody can listen to (scp), and remove them here.',
        ];
  for (const hint of hints) terminal.note(hint);
  return 0;
}

/** `posthorn keys show`: names, validity and fingerprints; exit code 1 when one has expired, expires soon or does not fit. */
export async function showKeys(context: VerbContext, options: KeysOptions): Promise<ExitCode> {
  const { terminal, io } = context;
  const directory = keysDirectoryOf(context, options);
  const described = await describeKeys(directory, io.clock.wallNowMs());
  const isAllWell = described.every(({ problems }) => problems.length === 0);
  if (options.json === true) {
    for (const one of described) {
      const { validFromMs, validUntilMs, ...rest } = one;
      printJson(terminal, { ...rest, validFrom: isoTime(validFromMs), validUntil: isoTime(validUntilMs) });
    }
  } else if (described.length === 0) {
    terminal.print(`No keys in ${directory}.`);
    terminal.note("Make an authority with 'posthorn keys authority', on one machine only.");
  } else {
    for (const [index, one] of described.entries()) {
      if (index > 0) terminal.print('');
      printCertificate(terminal, one);
    }
  }
  return isAllWell ? 0 : 1;
}

function keysDirectoryOf(context: VerbContext, options: KeysOptions): string {
  return join(resolve(directoryOf(context, options)), 'keys');
}

function daysOf(options: KeysOptions): number | undefined {
  return options.days === undefined ? undefined : parseWhole('--days', options.days, 1, DAYS_MAX);
}

/** A hundred years. */
const DAYS_MAX = 36_525;

function printCertificate(terminal: Terminal, one: DescribedCertificate): void {
  const row = (title: string, value: string): void => terminal.print(`  ${terminal.dim(title.padEnd(12))}${value}`);
  terminal.print(terminal.bold(`${one.kind} ${harmless(one.names.join(', '))}`));
  row('file', one.file);
  row('key', one.hasKey ? 'is here' : 'is not here');
  row('valid', `${dayOf(one.validFromMs)} to ${dayOf(one.validUntilMs)}, ${leftOf(one.daysLeft)}`);
  if (one.kind === 'machine') row('made by', harmless(one.authority));
  row('SHA-256', one.fingerprint);
  for (const problem of one.problems) row('WRONG', harmless(problem));
}

function leftOf(daysLeft: number): string {
  return daysLeft >= 0 ? `${countOf(daysLeft, 'day')} left` : `expired ${countOf(-daysLeft, 'day')} ago`;
}

/** `2026-03-01`, in UTC. */
function dayOf(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 10);
}
