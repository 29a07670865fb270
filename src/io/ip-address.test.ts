import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addressWithPort, ipAddress, networkOf, shownAddress } from './ip-address.ts';

describe('IP addresses', () => {
  test('are written in one way; what is none is none', () => {
    const written: readonly [string, string | undefined][] = [
      ['10.0.0.2', '10.0.0.2'],
      ['::FFFF:10.0.0.2', '10.0.0.2'],
      ['::ffff:a00:2', '10.0.0.2'],
      ['0:0:0:0:0:0:0:1', '::1'],
      ['fe80::1%eth0', 'fe80::1%eth0'],
      ['10.0.0', undefined],
      ['10.0.0.2%eth0', undefined],
      ['fe80::1%', undefined],
      ['beta', undefined],
      ['', undefined],
    ];
    for (const [text, address] of written) assert.equal(ipAddress(text), address, text);
  });

  test('are shown without their zone, and with a port in brackets where they have colons', () => {
    assert.equal(shownAddress('fe80::1%eth0'), 'fe80::1');
    assert.equal(shownAddress('::ffff:127.0.0.1'), '127.0.0.1');
    assert.equal(addressWithPort('10.0.0.2', 1801), '10.0.0.2:1801');
    assert.equal(addressWithPort('::1', 1801), '[::1]:1801');
  });

  test('belong to a network of 24 bits, those of IPv6 to one of 64', () => {
    assert.equal(networkOf('10.1.2.3'), networkOf('::ffff:10.1.2.200'));
    assert.notEqual(networkOf('10.1.2.3'), networkOf('10.1.3.3'));
    assert.equal(networkOf('2001:db8:0:1::1'), networkOf('2001:db8:0:1:ffff:1:2:3'));
    assert.equal(networkOf('fe80::1%eth0'), networkOf('fe80::2%eth1'));
    assert.notEqual(networkOf('2001:db8::1'), networkOf('2001:db8:0:1::1'));
    assert.equal(networkOf('::1'), '0:0:0:0');
  });
});
