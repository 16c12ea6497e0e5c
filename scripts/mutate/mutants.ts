/**
 * Mutants of a source file: small mistakes, all of them in one text behind a switch, so that one process tries any of them without loading anything anew.
 *
 *     kind         becomes
 *     condition    of `if`, `while`, `?:`: negated
 *     comparison   `<` and `<=`, `>` and `>=`, `===` and `!==` change places
 *     logic        `&&` and `||` change places
 *     constant     a number is one more; `true` and `false` change places
 *     await        is dropped
 *     statement    a call, an assignment, a `throw`, an empty `return` is dropped
 *
 * Left alone is what only people see (log lines, progress), what only our own mistakes reach (`assert`), types, and an `await` whose value is returned and that stands in no `try`:
 * who calls the function waits for it either way.
 */
import { parsers } from 'prettier/plugins/typescript';
import { z } from 'zod';

export interface Mutant {
  /** Unique in a run. */
  readonly id: number;
  readonly file: string;
  /** Which of the file's. */
  readonly index: number;
  readonly line: number;
  readonly kind: string;
  /** What stands there, cut short. */
  readonly was: string;
  /** The line that it begins in. */
  readonly at: string;
  /** Runs when the file is loaded: a process tries it only by loading the file anew. */
  readonly isStatic: boolean;
  /** The file with it alone: between these places stands that instead. */
  readonly from: number;
  readonly to: number;
  readonly becomes: string;
}

interface Node {
  readonly type: string;
  readonly range: readonly [number, number];
  readonly [key: string]: unknown;
}

const WAS_LENGTH_MAX = 100;
/** The switch, which whoever loads such a text has to bring along (`switch.ts`). */
const SWITCH = 'globalThis.kelpieMutant';
const comparisons: Readonly<Record<string, string>> = {
  '===': '!==',
  '!==': '===',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
};
const logic: Readonly<Record<string, string>> = { '&&': '||', '||': '&&' };
const conditional: ReadonlySet<string> = new Set(['IfStatement', 'WhileStatement', 'ConditionalExpression']);
const unseen =
  /^(?:await )?(?:[\w.#]*\blog\.|[\w.#?]*listener\.|[\w.#]*onProgress|[\w.#]*times\.set|assert\(|this\.#progress)/;

/** @param firstId of the first mutant. */
export function mutate(
  file: string,
  text: string,
  firstId: number,
): { readonly text: string; readonly mutants: readonly Mutant[] } {
  const mutator = new Mutator(file, text, firstId);
  // Its other arguments are for languages in languages.
  const root = nodeOf(Reflect.apply(parsers.typescript.parse, null, [text, {}]));
  return { text: mutator.whole(root), mutants: mutator.mutants };
}

/** What a file's text becomes with one of its mutants alone. */
export function alone(text: string, { from, to, becomes }: Mutant): string {
  return text.slice(0, from) + becomes + text.slice(to);
}

const nodeSchema = z.looseObject({ type: z.string(), range: z.tuple([z.number(), z.number()]) });

function nodeOf(value: unknown): Node {
  return nodeSchema.parse(value);
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'range' in value;
}

class Mutator {
  readonly mutants: Mutant[] = [];
  readonly #file: string;
  readonly #text: string;
  readonly #firstId: number;
  /** How many functions the present node is in. */
  #depth = 0;
  /** How many `try` of its function it is in. */
  #tries = 0;
  /** It is what its function returns. */
  #isReturned = false;

  constructor(file: string, text: string, firstId: number) {
    this.#file = file;
    this.#text = text;
    this.#firstId = firstId;
  }

  whole(root: Node): string {
    return this.#text.slice(0, root.range[0]) + this.#render(root) + this.#text.slice(root.range[1]);
  }

  #render(node: Node): string {
    const isFunction = /Function|^PropertyDefinition$/.test(node.type);
    const tries = this.#tries;
    const isPassedOn = this.#isReturned && tries === 0;
    if (isFunction) this.#depth += 1;
    if (isFunction) this.#tries = 0;
    if (node.type === 'TryStatement') this.#tries += 1;
    const inside = this.#inside(node);
    this.#tries = tries;
    if (isFunction) this.#depth -= 1;
    return node.type === 'AwaitExpression' && isPassedOn ? inside : this.#mutated(node, inside);
  }

  /** A test for equality has its own mutant. */
  #renderTest(test: Node): string {
    const rendered = this.#render(test);
    if (/^[!=]==$/.test(String(test['operator']))) return rendered;
    return this.#choice(test, 'condition', `!(${this.#at(test)})`, rendered);
  }

  /** The node's text with its children's mutants. */
  #inside(node: Node): string {
    let text = '';
    let [from] = node.range;
    for (const child of childrenOf(node)) {
      if (child.range[0] < from) continue;
      this.#isReturned = node.type === 'ReturnStatement' || isResult(node, child);
      const rendered =
        child === node['test'] && conditional.has(node.type) ? this.#renderTest(child) : this.#render(child);
      text += this.#text.slice(from, child.range[0]) + rendered;
      [, from] = child.range;
    }
    return text + this.#text.slice(from, node.range[1]);
  }

  #mutated(node: Node, inside: string): string {
    const was = this.#at(node);
    switch (node.type) {
      case 'AwaitExpression':
        return this.#choice(node, 'await', this.#at(node['argument']), inside);
      case 'Literal':
        return this.#literal(node, inside);
      case 'BinaryExpression':
        return this.#operator(node, comparisons, 'comparison', inside);
      case 'LogicalExpression':
        return this.#operator(node, logic, 'logic', inside);
      case 'ExpressionStatement':
        return isDroppable(node) && !unseen.test(was) ? this.#droppable(node, inside) : inside;
      case 'ThrowStatement':
        return this.#droppable(node, inside);
      case 'ReturnStatement':
        return node['argument'] === null ? this.#droppable(node, inside) : inside;
      default:
        return inside;
    }
  }

  #literal(node: Node, inside: string): string {
    const { value } = node;
    if (typeof value === 'number') return this.#choice(node, 'constant', String(value + 1), inside);
    return typeof value === 'boolean' ? this.#choice(node, 'constant', String(!value), inside) : inside;
  }

  #operator(node: Node, others: Readonly<Record<string, string>>, kind: string, inside: string): string {
    const other = others[String(node['operator'])];
    if (other === undefined) return inside;
    return this.#choice(
      node,
      kind,
      `(${this.#at(node['left'])}) ${other} (${this.#at(node['right'])})`,
      inside,
    );
  }

  #droppable(node: Node, inside: string): string {
    return `{ if (!${SWITCH}(${this.#add(node, 'statement', '{}')})) { ${inside} } }`;
  }

  #choice(node: Node, kind: string, mutant: string, inside: string): string {
    return `(${SWITCH}(${this.#add(node, kind, `(${mutant})`)}) ? (${mutant}) : (${inside}))`;
  }

  #add(node: Node, kind: string, becomes: string): number {
    const index = this.mutants.length;
    const id = this.#firstId + index;
    const before = this.#text.slice(0, node.range[0]).split('\n');
    this.mutants.push({
      id,
      index,
      file: this.#file,
      line: before.length,
      kind,
      was: this.#at(node).replaceAll(/\s+/g, ' ').slice(0, WAS_LENGTH_MAX),
      at: `${before.at(-1) ?? ''}${this.#text.slice(node.range[0]).split('\n', 1)[0] ?? ''}`.trim(),
      isStatic: this.#depth === 0,
      from: node.range[0],
      to: node.range[1],
      becomes,
    });
    return id;
  }

  #at(node: unknown): string {
    const { range } = nodeOf(node);
    return this.#text.slice(...range);
  }
}

/** Of an arrow function without a block. */
function isResult(node: Node, child: Node): boolean {
  return node.type === 'ArrowFunctionExpression' && node['body'] === child;
}

/** In the order of the text; without types, and names of properties. */
function childrenOf(node: Node): readonly Node[] {
  const children: Node[] = [];
  for (const [key, value] of Object.entries(node)) {
    const isName = key === 'key' && node['computed'] !== true;
    if (isName || key === 'loc' || key === 'tokens' || key === 'comments' || key === 'parent') continue;
    for (const item of Array.isArray(value) ? value : [value])
      if (isNode(item) && isCode(item)) children.push(item);
  }
  return children.toSorted((a, b) => a.range[0] - b.range[0]);
}

/** Of what is written for the type checker only expressions with a note on their type run. */
function isCode({ type }: Node): boolean {
  if (/^(?:Import|ExportAll|Decorator)/.test(type)) return false;
  return !type.startsWith('TS') || /^TS(?:As|Satisfies|NonNull)/.test(type);
}

/** Calls and assignments; what stands at the beginning of a text for the interpreter has no mutant. */
function isDroppable(node: Node): boolean {
  const expression = nodeOf(node['expression']);
  return /^(?:Call|Await|Assignment|Update|Chain)Expression$/.test(expression.type);
}
