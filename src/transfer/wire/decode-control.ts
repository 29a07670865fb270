import { UINT48_MAX } from './encode-frame.ts';
import { FieldReader } from './field-reader.ts';
import type { FrameType } from './frame-types.ts';
import type { Data, Frame, Identity, RefusedMessage } from './frames.ts';
import { TEXT_LENGTH_MAX } from './limits.ts';
import { malformed } from './malformed-bytes.ts';

/**
 * A frame other than DATA from its payload, every field checked.
 *
 * @throws {MalformedBytes} with what is wrong
 */
export function decodeControl(type: ControlType, payload: Uint8Array): ControlFrame {
  return READERS[type](new FieldReader(type.toUpperCase(), parseJson(type, payload)));
}

export type ControlFrame = Exclude<Frame, Data>;
export type ControlType = Exclude<FrameType, 'data'>;

function parseJson(type: ControlType, payload: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(payload));
  } catch {
    throw malformed(`${type.toUpperCase()} of ${payload.byteLength} bytes is not JSON in UTF-8`);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

const READERS: { readonly [Type in ControlType]: (fields: FieldReader) => Extract<Frame, { type: Type }> } = {
  hello: (fields) => ({
    type: 'hello',
    protocolMin: fields.integer('protocolMin', 1, PROTOCOL_MAX),
    protocolMax: fields.integer('protocolMax', 1, PROTOCOL_MAX),
    purpose: fields.oneOf('purpose', ['transfer', 'probe']),
    wanted: fields.machine('wanted'),
    identity: readIdentity(fields.get('identity')),
  }),
  welcome: (fields) => ({
    type: 'welcome',
    protocol: fields.integer('protocol', 1, PROTOCOL_MAX),
    identity: readIdentity(fields.get('identity')),
  }),
  refused: (fields) => ({
    type: 'refused',
    code: fields.oneOf('code', [
      'WRONG_HOST',
      'WRONG_CERTIFICATE',
      'VERSION',
      'DUPLICATE_STORE',
      'TOO_MANY_CONNECTIONS',
      'MALFORMED',
      'HANDSHAKE_TIMEOUT',
      'SHUTTING_DOWN',
    ]),
    text: fields.text('text', TEXT_LENGTH_MAX),
    machine: fields.optional('machine', () => fields.machine('machine')),
  }),
  attach: (fields) => ({
    type: 'attach',
    channel: readChannel(fields),
    queue: fields.queue('queue'),
    epoch: readId(fields, 'epoch'),
    acked: readSequence(fields, 'acked'),
    ackedDigest: readDigest(fields, 'ackedDigest'),
    formerEpochs: fields.list('formerEpochs', FORMER_EPOCHS_MAX, readEpoch),
  }),
  attached: (fields) => ({
    type: 'attached',
    channel: readChannel(fields),
    last: fields.optional('last', () => readSequence(fields, 'last')),
    digest: fields.optional('digest', () => readDigest(fields, 'digest')),
    refused: fields.list('refused', REFUSED_MAX, readRefusedMessage),
    windowMessages: fields.integer('windowMessages', 1, WINDOW_MAX),
    windowBytes: fields.integer('windowBytes', 1, WINDOW_MAX),
  }),
  detached: (fields) => ({
    type: 'detached',
    channel: readChannel(fields),
    code: fields.oneOf('code', [
      'QUEUE_FULL',
      'STORE_FULL',
      'BUSY',
      'QUEUE_NOT_YET_THERE',
      'OUT_OF_SEQUENCE',
      'TAKEN_OVER',
      'STORE_RECOVERING',
    ]),
    text: fields.text('text', TEXT_LENGTH_MAX),
    retryAfterMs: fields.integer('retryAfterMs', 0, RETRY_AFTER_MS_MAX),
  }),
  acked: (fields) => ({
    type: 'acked',
    channel: readChannel(fields),
    seq: readSequence(fields, 'seq'),
    refused: fields.list('refused', REFUSED_MAX, readRefusedMessage),
  }),
  ping: (fields) => ({ type: 'ping', id: readId32(fields) }),
  pong: (fields) => ({ type: 'pong', id: readId32(fields), wallMs: fields.time('wallMs') }),
  closing: (fields) => ({
    type: 'closing',
    code: fields.oneOf('code', ['IDLE', 'SHUTTING_DOWN', 'REPLACED', 'DONE', 'MALFORMED']),
    text: fields.text('text', TEXT_LENGTH_MAX),
  }),
  pingBack: (fields) => ({
    type: 'pingBack',
    id: readId32(fields),
    port: fields.optional('port', () => fields.integer('port', 1, 65_535)),
  }),
  pingBackResult: (fields) => ({ type: 'pingBackResult', id: readId32(fields), report: readReport(fields) }),
};

function readIdentity(value: unknown): Identity {
  const fields = new FieldReader('IDENTITY', value);
  return {
    machine: fields.machine('machine'),
    storeId: readId(fields, 'storeId'),
    instanceId: readId(fields, 'instanceId'),
    version: fields.matching('version', /^[\x21-\x7e]{1,64}$/, 'a version'),
    wallMs: fields.time('wallMs'),
    bodyBytesMax: fields.integer('bodyBytesMax', 0, UINT32_MAX),
  };
}

function readRefusedMessage(value: unknown): RefusedMessage {
  const fields = new FieldReader('REFUSED MESSAGE', value);
  return {
    seq: readSequence(fields, 'seq'),
    code: fields.oneOf('code', [
      'NACK_BAD_DST_Q',
      'NACK_ACCESS_DENIED',
      'NACK_TOO_LARGE',
      'NACK_BAD_HEADERS',
      'NACK_RECEIVE_TIMEOUT_AT_SENDER',
    ]),
    text: fields.text('text', TEXT_LENGTH_MAX),
  };
}

function readEpoch(value: unknown): string {
  if (typeof value === 'string' && ID.test(value)) return value;
  throw malformed('ATTACH: a former epoch is not an id');
}

/** What it says is for `posthorn ping`, which shows it; so deep that showing it would fail, it cannot be one. */
function readReport(fields: FieldReader): unknown {
  const report = fields.get('report');
  if (isShallow(report, REPORT_DEPTH_MAX)) return report;
  throw malformed(`PINGBACKRESULT: 'report' is nested more than ${REPORT_DEPTH_MAX} deep`);
}

function isShallow(value: unknown, depthLeft: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depthLeft > 0 && Object.values(value).every((inner) => isShallow(inner, depthLeft - 1));
}

function readChannel(fields: FieldReader): number {
  return fields.integer('channel', 0, UINT32_MAX);
}

function readSequence(fields: FieldReader, name: string): number {
  return fields.integer(name, 0, UINT48_MAX);
}

function readId32(fields: FieldReader): number {
  return fields.integer('id', 0, UINT32_MAX);
}

function readId(fields: FieldReader, name: string): string {
  return fields.matching(name, ID, 'an id');
}

function readDigest(fields: FieldReader, name: string): string {
  return fields.matching(name, /^[0-9a-f]{16}$/, 'a digest');
}

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const UINT32_MAX = 2 ** 32 - 1;
const PROTOCOL_MAX = 65_535;
const FORMER_EPOCHS_MAX = 64;
/** Twice what a window of ours holds. */
const REFUSED_MAX = 4096;
const WINDOW_MAX = 2 ** 31;
const RETRY_AFTER_MS_MAX = 24 * 60 * 60 * 1000;
const REPORT_DEPTH_MAX = 8;
