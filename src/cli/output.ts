/** What people and scripts read: one place that knows about `--json`, colours and tables. */
import type { Terminal } from '../env/terminal.ts';

export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

const codes: Readonly<Record<Colour, string>> = {
  bold: '1',
  dim: '2',
  red: '31',
  green: '32',
  yellow: '33',
  cyan: '36',
};

export class Output {
  readonly #terminal: Terminal;
  readonly isJson: boolean;
  readonly #hasColour: boolean;

  constructor(terminal: Terminal, options: { readonly isJson: boolean; readonly isColourAllowed: boolean }) {
    this.#terminal = terminal;
    this.isJson = options.isJson;
    this.#hasColour = options.isColourAllowed && terminal.isOutputTty;
  }

  /** The result of a command: a JSON document with `--json`, else the text, which may be empty. */
  async result(document: unknown, text: string): Promise<void> {
    if (this.isJson) await this.#terminal.writeOutput(`${JSON.stringify(document, null, 2)}\n`);
    else if (text !== '') await this.#terminal.writeOutput(text.endsWith('\n') ? text : `${text}\n`);
  }

  /** A sentence beside the result; on stderr, so that results can be piped. */
  async notice(text: string): Promise<void> {
    await this.#terminal.writeError(`${text}\n`);
  }

  colour(colour: Colour, text: string): string {
    return this.#hasColour ? `\u001B[${codes[colour]}m${text}\u001B[0m` : text;
  }

  /** Columns as wide as their widest cell. Colours go on afterwards, by `paint`, so that they take no width. */
  table(
    header: readonly string[],
    rows: readonly (readonly string[])[],
    paint?: (cell: string, column: number) => string,
  ): string {
    const widths = header.map((title, column) =>
      Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
    );
    const line = (cells: readonly string[], painted: (cell: string, column: number) => string): string =>
      cells
        .map(
          (cell, column) =>
            painted(cell, column) +
            ' '.repeat(column === cells.length - 1 ? 0 : (widths[column] ?? 0) - cell.length),
        )
        .join('   ')
        .trimEnd();
    const head = line(header, (cell) => this.colour('dim', cell));
    return [head, ...rows.map((row) => line(row, paint ?? ((cell) => cell)))].join('\n');
  }
}
