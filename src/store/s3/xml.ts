import { EverfullError } from '../../base/mod.ts';

/** An element with elements in it, or with text. */
export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  /** '' where there are children: S3 puts only white space between them. */
  readonly text: string;
}

/** S3 nests five deep at most. */
const DEPTH_MAX = 16;
/** A declaration, a closing tag, an opening or empty one, or text. */
const TOKEN =
  /<\?xml [^<>]*\?>|<\/([\w:.-]+)\s*>|<([\w:.-]+)(?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*\s*(\/?)>|[^<]+/y;
const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/**
 * The root element of what an S3 server answers: elements and text of XML 1.0, nothing else. Attributes
 * are dropped; comments, CDATA, other entities and document types, which S3 does not send, are refused:
 * 'io'. Takes time in proportion to the text.
 */
export function parseXml(text: string): XmlElement {
  const top: XmlBuilder = new XmlBuilder('');
  const open = [top];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw notXml(`something else stands at ${at}`);
    const [token, closed, opened, empty] = match;
    const inner = open.at(-1)!;
    if (opened !== undefined) {
      const element = new XmlBuilder(opened);
      inner.children.push(element);
      if (empty === '') open.push(element);
      if (open.length > DEPTH_MAX) throw notXml('it is nested too deep');
    } else if (closed !== undefined) {
      if (closed !== inner.name) throw notXml(`<${closed}> is closed and not open`);
      open.pop();
    } else if (token.startsWith('<')) {
      if (at !== 0) throw notXml('a declaration is not at its beginning');
    } else {
      inner.add(decodeEntities(token));
    }
  }
  if (open.length > 1) throw notXml(`<${open.at(-1)!.name}> is not closed`);
  if (top.children.length !== 1 || top.ownText.trim() !== '') throw notXml('it is not one element');
  return top.children[0]!;
}

/** The text of the one child of that name; undefined where there is none. */
export function childText(element: XmlElement, name: string): string | undefined {
  const found = element.children.filter((child) => child.name === name);
  if (found.length > 1) throw notXml(`<${element.name}> has several <${name}>`);
  return found[0]?.text;
}

class XmlBuilder implements XmlElement {
  readonly name: string;
  readonly children: XmlBuilder[] = [];
  ownText = '';

  constructor(name: string) {
    this.name = name;
  }

  get text(): string {
    return this.children.length === 0 ? this.ownText : '';
  }

  add(text: string): void {
    this.ownText += text;
  }
}

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&([^;&]{0,10};?)/g, (all, body: string) => {
    const reference = /^#(?:(\d+)|x([0-9A-Fa-f]+));$/.exec(body);
    if (reference === null) return NAMED[body.slice(0, -1)] ?? refuse(all);
    const point = reference[1] === undefined ? Number.parseInt(reference[2]!, 16) : Number(reference[1]);
    return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : refuse(all);
  });
}

function refuse(entity: string): never {
  throw notXml(`"${entity}" is no entity`);
}

export function notXml(state: string): EverfullError {
  return new EverfullError('io', `cannot read the XML of an answer: ${state}`);
}
