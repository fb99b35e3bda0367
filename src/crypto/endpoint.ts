import {
  createPrivateKey,
  createPublicKey,
  sign as ed25519Sign,
  verify as ed25519Verify,
  type KeyObject,
} from 'node:crypto';
import { type ByteString, bytesFromHex, displayText, EverfullError, equalBytes, hexOf } from '../base/mod.ts';
import {
  decodeEndpointBody,
  encodeEndpointBody,
  endpointRecord,
  PUBLIC_KEY_BYTES,
  SECRET_BYTES,
} from '../format/mod.ts';
import { digest } from './hash.ts';
import type { WrappingKey } from './keys.ts';
import { type RandomSource, systemRandom } from './random.ts';
import type { DomainSecrets } from './secrets.ts';

/** Who signs manifests: a host of a domain. */
export interface Endpoint {
  /** 16 bytes: the keyed hash of the host's name. */
  readonly id: Buffer;
  readonly host: ByteString;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Buffer;
  readonly privateKey: KeyObject;
}

/** A new endpoint, and the object that keeps it. Throws 'limit' for a host name above 255 bytes. */
export function makeEndpoint(
  wrappingKey: WrappingKey,
  secrets: DomainSecrets,
  host: ByteString,
  random: RandomSource = systemRandom,
): { endpoint: Endpoint; bytes: Buffer } {
  const seed = random(SECRET_BYTES);
  const privateKey = privateKeyOf(seed);
  const endpoint = { id: secrets.endpointId(host), host, publicKey: publicKeyOf(privateKey), privateKey };
  const body = encodeEndpointBody({ seed, host });
  const header = { wrappingKeyId: wrappingKey.id, endpointId: endpoint.id, publicKey: endpoint.publicKey };
  const bytes = endpointRecord.encode(header, (associated) => wrappingKey.seal(associated, body), digest);
  seed.fill(0);
  body.fill(0);
  return { endpoint, bytes };
}

/** The endpoint in an object that {@link makeEndpoint} made. Throws 'damaged'. */
export function openEndpoint(wrappingKey: WrappingKey, secrets: DomainSecrets, bytes: Uint8Array): Endpoint {
  const object = endpointRecord.decode(bytes, digest);
  const id = Buffer.from(object.header.endpointId);
  const body = wrappingKey.open(object, `endpoint ${hexOf(id)}`);
  const { seed, host } = decodeEndpointBody(body);
  const privateKey = privateKeyOf(seed);
  body.fill(0);
  const publicKey = publicKeyOf(privateKey);
  if (!equalBytes(publicKey, object.header.publicKey) || !equalBytes(secrets.endpointId(host), id)) {
    throw new EverfullError(
      'damaged',
      `Could not open endpoint ${hexOf(id)} of host "${displayText(host)}": its parts do not belong together`,
    );
  }
  return { id, host, publicKey, privateKey };
}

/** The same endpoint, sealed by another wrapping key. Throws 'damaged'. */
export function rewrapEndpoint(from: WrappingKey, to: WrappingKey, bytes: Uint8Array): Buffer {
  const object = endpointRecord.decode(bytes, digest);
  const body = from.open(object, `endpoint ${hexOf(object.header.endpointId)}`);
  const header = { ...object.header, wrappingKeyId: to.id };
  const rewrapped = endpointRecord.encode(header, (associated) => to.seal(associated, body), digest);
  body.fill(0);
  return rewrapped;
}

/** What an endpoint object shows without any key: enough to verify signatures, not whose they are. Throws 'damaged'. */
export function readEndpoint(bytes: Uint8Array): { id: Buffer; publicKey: Buffer } {
  const { endpointId, publicKey } = endpointRecord.decode(bytes, digest).header;
  return { id: Buffer.from(endpointId), publicKey: Buffer.from(publicKey) };
}

/** An Ed25519 signature (RFC 8032), 64 bytes. */
export function sign(endpoint: Pick<Endpoint, 'privateKey'>, message: Uint8Array): Buffer {
  return ed25519Sign(null, message, endpoint.privateKey);
}

/** @param publicKey 32 bytes */
export function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_BYTES)
    throw new RangeError(`a public key has ${PUBLIC_KEY_BYTES} bytes, not ${publicKey.length}`);
  const key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, publicKey]), format: 'der', type: 'spki' });
  return ed25519Verify(null, message, key, signature);
}

/** What DER puts before the 32 bytes of an Ed25519 key (RFC 8410 §4 and §7). */
const SPKI_HEAD = bytesFromHex('302a300506032b6570032100');
const PKCS8_HEAD = bytesFromHex('302e020100300506032b657004220420');

function privateKeyOf(seed: Uint8Array): KeyObject {
  const der = Buffer.concat([PKCS8_HEAD, seed]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return key;
}

function publicKeyOf(privateKey: KeyObject): Buffer {
  const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return Buffer.from(der.subarray(SPKI_HEAD.length));
}
