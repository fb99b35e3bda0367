import { childText, notXml, parseXml, type XmlElement } from './xml.ts';

/** One answer to ListObjectsV2. */
export interface ListingPage {
  readonly objects: readonly { readonly key: string; readonly size: number }[];
  /** Asks for the next page; undefined on the last. */
  readonly next: string | undefined;
}

/** Reads an answer to a ListObjectsV2 that asked for `encoding-type=url`. Throws 'io' for anything else. */
export function parseListing(text: string): ListingPage {
  const root = parseXml(text);
  if (root.name !== 'ListBucketResult') throw notXml(`<${root.name}> is no listing`);
  const objects = root.children
    .filter(({ name }) => name === 'Contents')
    .map((element) => ({ key: decoded(needed(element, 'Key')), size: sizeIn(needed(element, 'Size')) }));
  const isTruncated = needed(root, 'IsTruncated');
  if (isTruncated !== 'true' && isTruncated !== 'false') throw notXml(`IsTruncated is "${isTruncated}"`);
  return { objects, next: isTruncated === 'true' ? needed(root, 'NextContinuationToken') : undefined };
}

function needed(element: XmlElement, name: string): string {
  const text = childText(element, name);
  if (text === undefined || text === '') throw notXml(`<${element.name}> has no <${name}>`);
  return text;
}

function sizeIn(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw notXml(`the size "${text}" is no number`);
  return Number(text);
}

/** Keys are asked for in this form, since XML has no way to write some characters. */
function decoded(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch (error) {
    if (error instanceof URIError) throw notXml(`the key "${key}" is not encoded as a URL`);
    throw error;
  }
}
