/**
 * The little XML that S3 speaks: elements and text. Attributes and comments are skipped; document types, processing
 * instructions and CDATA are refused, since no service sends them and they are what XML is attacked by.
 */

export interface XmlElement {
  readonly name: string;
  /** The text directly in it, entities resolved. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

export class XmlError extends Error {
  override readonly name = 'XmlError';
}

const XML_DEPTH_MAX = 16;
const XML_ELEMENTS_MAX = 50_000;
const token =
  /<\?xml[^>]*\?>|<!--[\s\S]*?-->|<(?<close>\/)?(?<name>[A-Za-z_][\w.:-]*)(?:\s[^<>]*?)?(?<empty>\/)?>|[^<]+/y;
const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

interface Open {
  readonly name: string;
  text: string;
  readonly children: XmlElement[];
}

/** The root element. @throws XmlError for anything that is not one. */
export function parseXml(source: string): XmlElement {
  const stack: Open[] = [{ name: '', text: '', children: [] }];
  let elements = 0;
  token.lastIndex = 0;
  while (token.lastIndex < source.length) {
    const match = token.exec(source);
    if (match === null) throw new XmlError('this is no XML that is understood');
    const { name, close, empty } = match.groups ?? {};
    const top = stack.at(-1);
    if (top === undefined) throw new XmlError('there is something after the end');
    if (name === undefined) {
      if (!match[0].startsWith('<')) top.text += resolveEntities(match[0]);
    } else if (close !== undefined) {
      const closed = stack.pop();
      if (closed?.name !== name || stack.length === 0)
        throw new XmlError('an element ends that did not begin');
      stack.at(-1)?.children.push(closed);
    } else {
      elements += 1;
      if (elements > XML_ELEMENTS_MAX || stack.length > XML_DEPTH_MAX)
        throw new XmlError('there are too many elements');
      const element = { name, text: '', children: [] };
      if (empty === undefined) stack.push(element);
      else top.children.push(element);
    }
  }
  const [document] = stack;
  const root = document?.children[0];
  if (
    stack.length !== 1 ||
    document?.children.length !== 1 ||
    document.text.trim() !== '' ||
    root === undefined
  )
    throw new XmlError('there is not one root element that ends');
  return root;
}

/** The first child of that name. */
export function childOf(element: XmlElement, name: string): XmlElement | undefined {
  return element.children.find((child) => child.name === name);
}

/** The text of the first child of that name; empty when there is none. */
export function textOf(element: XmlElement, name: string): string {
  return childOf(element, name)?.text ?? '';
}

function resolveEntities(text: string): string {
  return text.replaceAll(
    /&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w{1,8}))?;?/g,
    (whole, decimal, hexadecimal, name) => {
      const known = typeof name === 'string' ? entities[name] : undefined;
      if (known !== undefined && whole.endsWith(';')) return known;
      const code = typeof decimal === 'string' ? Number(decimal) : Number.parseInt(String(hexadecimal), 16);
      if (!whole.endsWith(';') || !(code <= 0x10ffff)) throw new XmlError('an entity is not known');
      return String.fromCodePoint(code);
    },
  );
}

/** Text as it stands in an element. */
export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
