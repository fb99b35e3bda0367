import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { childText, parseXml, type XmlElement } from './xml.ts';

const NOT_XML = { code: 'io', message: /cannot read the XML/ };

test('parseXml() reads elements, text and entities, and drops declaration, attributes and white space', () => {
  const root = parseXml(
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error xmlns="http://s3.amazonaws.com/doc/">\n  <Code>a&amp;b&lt;&gt;&quot;&apos;&#65;&#x1F600;</Code>' +
      '<Empty/><Also at=\'1\' other = "2" ></Also >\n<Deep><er>x</er></Deep></Error>\n',
  );
  assert.equal(root.name, 'Error');
  assert.equal(childText(root, 'Code'), 'a&b<>"\'A\u{1F600}');
  assert.equal(childText(root, 'Empty'), '');
  assert.equal(childText(root, 'Also'), '');
  assert.equal(childText(root, 'None'), undefined);
  assert.deepEqual(
    root.children.map(({ name }) => name),
    ['Code', 'Empty', 'Also', 'Deep'],
  );
  assert.equal(childText(root.children[3]!, 'er'), 'x');
  assert.equal(root.text, '');
});

test('parseXml() refuses whatever S3 does not send', () => {
  for (const text of [
    '',
    ' ',
    'text',
    '<a>',
    '</a>',
    '<a></b>',
    '<a><b></a></b>',
    '<a/><b/>',
    '<a/>text',
    '<a',
    '<a b></a>',
    '<a b=c></a>',
    '<>',
    '<a>&nbsp;</a>',
    '<a>&amp</a>',
    '<a>& </a>',
    '<a>&#0;</a>',
    '<a>&#x110000;</a>',
    '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    '<a><!-- comment --></a>',
    '<a><![CDATA[text]]></a>',
    ' <?xml version="1.0"?><a/>',
    '<a>'.repeat(20) + '</a>'.repeat(20),
    '{"json": true}',
  ]) {
    assert.throws(() => parseXml(text), NOT_XML, text);
  }
});

test('childText() refuses two children of one name', () => {
  assert.throws(() => childText(parseXml('<a><b/><b/></a>'), 'b'), NOT_XML);
});

test('parseXml() ends on any text, with an element or an error of ours', () => {
  const pieces = fc.constantFrom(
    '<a>',
    '</a>',
    '<b/>',
    '<',
    '>',
    '&',
    '&lt;',
    ';',
    '?',
    '<?xml ?>',
    'text',
    ' ',
    '"',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(pieces).map((parts) => parts.join('')),
      ),
      (text) => {
        try {
          parseXml(text);
        } catch (error) {
          assert.equal((error as { code?: unknown }).code, 'io');
        }
      },
    ),
  );
});

test('parseXml() gives back what was written', () => {
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,8}$/);
  const { tree } = fc.letrec<{ tree: XmlElement }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.record({ name, text: fc.string(), children: fc.constant([]) }),
      fc.record({
        name,
        text: fc.constant(''),
        children: fc.array(tie('tree'), { minLength: 1, maxLength: 4 }),
      }),
    ),
  }));
  fc.assert(
    fc.property(tree, (written) => {
      assert.deepEqual(plain(parseXml(xmlOf(written))), plain(written));
    }),
  );
});

function plain({ name, text, children }: XmlElement): object {
  return { name, text, children: children.map(plain) };
}

function xmlOf({ name, text, children }: XmlElement): string {
  const escaped = text.replace(/[<>&"']/g, (character) => `&#${character.codePointAt(0)};`);
  return `<${name}>${escaped}${children.map(xmlOf).join('\n')}</${name}>`;
}
