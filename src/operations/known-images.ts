import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { bytesFromHex, errnoOf, isEverfullError } from '../base/mod.ts';
import { digest } from '../crypto/mod.ts';
import {
  decodeManifestBody,
  decodeManifestHeader,
  encodeManifestBody,
  encodeManifestHeader,
  KNOWN_BODY_BYTES_MAX,
  knownImagesRecord,
} from '../format/mod.ts';
import { type KnownImages, SESSION_PREFIX, sessionEndName } from '../repository/mod.ts';
import type { OperationContext } from './context.ts';

const FILE = 'images';

/** What was kept of an earlier reading; nothing where none was, or where it cannot be used. */
export function readKnownImages(stateFolder: string | undefined): KnownImages {
  const known: KnownImages = new Map();
  if (stateFolder === undefined) return known;
  try {
    const { images, expired } = knownImagesRecord.decode(readFileSync(`${stateFolder}/${FILE}`), digest);
    for (const { session, committed, id, header, body } of images) {
      known.set(sessionEndName(session), {
        id: Buffer.from(id),
        committed,
        header: decodeManifestHeader(header),
        body: decodeManifestBody(body),
      });
    }
    for (const session of expired) known.set(sessionEndName(session), undefined);
  } catch (error) {
    if (errnoOf(error) === undefined && !isEverfullError(error, 'damaged', 'repository-newer')) throw error;
    known.clear();
  }
  return known;
}

/** Keeps what was read for the next time. That it cannot be kept costs time only, and is told. */
export function keepKnownImages({ stateFolder, notice }: OperationContext, known: KnownImages): void {
  if (stateFolder === undefined) return;
  const images = [];
  const expired = [];
  for (const [name, image] of known) {
    if (image === undefined) {
      expired.push(bytesFromHex(name.slice(SESSION_PREFIX.length, name.lastIndexOf('.'))));
      continue;
    }
    const body = encodeManifestBody(image.body);
    if (body.length > KNOWN_BODY_BYTES_MAX) continue;
    const { id, committed, header } = image;
    images.push({ session: header.session, committed, id, header: encodeManifestHeader(header), body });
  }
  const path = `${stateFolder}/${FILE}`;
  try {
    writeFileSync(`${path}.new`, knownImagesRecord.encode({ images, expired }, digest), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    if (errnoOf(error) === undefined && !isEverfullError(error, 'limit')) throw error;
    notice(`The list of images could not be kept, so it is read anew each time: ${(error as Error).message}`);
  }
}
