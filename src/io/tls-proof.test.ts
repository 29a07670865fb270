import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { certificateNames } from './tls-proof.ts';

describe('the names in a certificate', () => {
  test('are its DNS names, else its common name', () => {
    const subject = 'O=House\nCN=alpha';
    assert.deepEqual(certificateNames({ subject, subjectAltName: 'DNS:beta, IP Address:10.0.0.2, DNS:gamma' }), [
      'beta',
      'gamma',
    ]);
    assert.deepEqual(certificateNames({ subject, subjectAltName: 'IP Address:10.0.0.2' }), ['alpha']);
    assert.deepEqual(certificateNames({ subject, subjectAltName: undefined }), ['alpha']);
    assert.deepEqual(certificateNames({ subject: 'O=House', subjectAltName: undefined }), []);
  });

  test('are never found inside another name', () => {
    const names = (subjectAltName: string): readonly string[] =>
      certificateNames({ subject: 'CN=mallory', subjectAltName });
    assert.deepEqual(names('URI:"http://x, DNS:beta", DNS:gamma'), ['gamma']);
    assert.deepEqual(names('DNS:"a\\", DNS:beta", DNS:gamma'), ['gamma']);
    assert.deepEqual(names('email:"x\\u0000, DNS:beta"'), ['mallory']);
  });
});
