import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeIo } from '../../src/io/node-io.ts';
import { type CertificateAndKey, type CertificateRequest, issueCertificate } from '../../src/keys/issue-certificate.ts';

/**
 * A certificate authority of this test, made anew with keys of its own.
 *
 *     const authority = await makeTestAuthority();
 *     const alpha = await authority.material('alpha');                 // TlsMaterial: key, certificate, authorities
 *     const late = await authority.material('alpha', { validity: 'expired' });
 *     const stranger = await (await makeTestAuthority()).material('alpha');
 */
export async function makeTestAuthority(name = 'Test authority', options: TestValidity = {}): Promise<TestAuthority> {
  const authority = await issueCertificate({ kind: 'authority', name, ...requestOf(options) });
  return {
    ...authority,
    async material(machine, materialOptions = {}) {
      const { authorities = authority.certificate, ...validity } = materialOptions;
      const made = await issueCertificate({
        kind: 'machine',
        name: machine,
        issuer: authority,
        ...requestOf(validity),
      });
      return { ...made, authorities };
    },
  };
}

export interface TestAuthority extends CertificateAndKey {
  /** What a machine proves itself with; `authorities` are those that it trusts (default: this one). */
  material(machine: string, options?: TestValidity & { readonly authorities?: string }): Promise<TestMaterial>;
}

export interface TestValidity {
  /** Default: valid for a day. */
  readonly validity?: 'now' | 'expired' | 'not yet';
}

/** A `TlsMaterial` of src/io/network.ts. */
export interface TestMaterial extends CertificateAndKey {
  readonly authorities: string;
}

/** Writes the material as the queue manager finds it by itself when `directory` is the `keys` folder of its data directory. */
export function writeTlsFiles(
  directory: string,
  material: TestMaterial,
): { key: string; certificate: string; authorities: string } {
  const files = {
    key: join(directory, 'machine.key'),
    certificate: join(directory, 'machine.crt'),
    authorities: join(directory, 'authority.crt'),
  };
  writeFileSync(files.key, material.key, { mode: 0o600 });
  writeFileSync(files.certificate, material.certificate);
  writeFileSync(files.authorities, material.authorities);
  return files;
}

const DAY_MS = 86_400_000;
const FROM_TO_DAYS = { now: [-1, 1], expired: [-2, -1], 'not yet': [1, 2] } as const;

function requestOf({
  validity = 'now',
}: TestValidity): Pick<CertificateRequest, 'notBeforeMs' | 'notAfterMs' | 'serial'> {
  const { clock, random } = nodeIo();
  const [from, to] = FROM_TO_DAYS[validity];
  return {
    notBeforeMs: clock.wallNowMs() + from * DAY_MS,
    notAfterMs: clock.wallNowMs() + to * DAY_MS,
    serial: random.uuid(),
  };
}
