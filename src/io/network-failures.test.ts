import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { brokenFailure, connectFailure, handshakeFailure, listenFailure } from './network-failures.ts';

const place = '10.0.0.2:1801';

describe('failures of the network', () => {
  test('of connecting are told apart by what the system says', () => {
    const codes = {
      REFUSED: ['ECONNREFUSED'],
      TIMEOUT: ['ETIMEDOUT'],
      UNREACHABLE: ['EHOSTUNREACH', 'ENETUNREACH', 'EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EACCES'],
      RESET: ['ECONNRESET', 'EPIPE'],
      OUT_OF_DESCRIPTORS: ['EMFILE', 'ENFILE'],
      OTHER: ['ESOMETHING'],
    };
    for (const [code, systemCodes] of Object.entries(codes)) {
      for (const systemCode of systemCodes) {
        const failure = connectFailure(systemError(systemCode), place);
        assert.equal(failure.code, code, systemCode);
        assert.equal(failure.systemCode, systemCode);
        assert.ok(failure.message.includes(place), failure.message);
      }
    }
  });

  test('of listening without IPv6 say so, so that the caller can take IPv4 alone', () => {
    const failure = listenFailure(systemError('EAFNOSUPPORT'), '[::]:1801');
    assert.equal(failure.code, 'ADDRESS_NOT_AVAILABLE');
    assert.match(failure.message, /Cannot listen on \[::\]:1801: this machine has no IPv6/);
    assert.equal(listenFailure(systemError('EACCES'), place).code, 'PERMISSION');
  });

  test('of a certificate that a foreign TLS library refused by its alert are known', () => {
    for (const alert of [
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED',
      'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
    ]) {
      assert.equal(handshakeFailure(systemError(alert), place).code, 'CERTIFICATE_REFUSED', alert);
      assert.equal(brokenFailure(systemError(alert), place).code, 'CERTIFICATE_REFUSED', alert);
    }
    assert.equal(handshakeFailure(systemError('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION'), place).code, 'TLS_FAILED');
  });

  test('of a connection that stood are a broken connection, whatever broke it', () => {
    for (const systemCode of ['ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH'])
      assert.equal(brokenFailure(systemError(systemCode), place).code, 'RESET');
  });
});

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
