/** Text for terminals: colours, tables, and names that strangers have chosen. */
import colors from 'picocolors'

/** Colours of headings; the identity where there is no terminal. */
export interface Paint {
  heading(text: string): string
  dim(text: string): string
}

/** Colours if standard output is a terminal that has them. */
export function terminalPaint(): Paint {
  const { bold, dim } = colors.createColors(process.stdout.isTTY === true && colors.isColorSupported)
  return { heading: bold, dim }
}

/** Writes to standard output. Returns false once its reader is gone. */
export function write(text: string): Promise<boolean> {
  return new Promise((done) => process.stdout.write(text, (error) => done(error === null || error === undefined)))
}

/** A program names itself: what could move the cursor or colour the terminal is shown as a question mark. */
export function printable(name: string): string {
  return String(name).replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')
}

/** A column of a table: its heading and what stands in a row. */
export type Column<Row> = readonly [title: string, value: (row: Row) => string | number]

/** Lines of a table: heading first, texts left, numbers right with thousands separated. A column is as its first row. */
export function tableLines<Row>(columns: readonly Column<Row>[], rows: readonly Row[], paint: Paint): string[] {
  const values = rows.map((row) => columns.map(([, value]) => value(row)))
  const isText = columns.map((_, column) => typeof values[0]?.[column] === 'string')
  const cells = values.map((line) => line.map((value) => typeof value === 'number' ? value.toLocaleString('en-US') : value))
  const widths = columns.map(([title], column) => cells.reduce((most, line) => Math.max(most, line[column].length), title.length))
  const line = (texts: readonly string[]): string => texts.map((text, column) =>
    isText[column] ? text.padEnd(widths[column]) : text.padStart(widths[column])).join('  ').trimEnd()
  return [paint.heading(line(columns.map(([title]) => title))), ...cells.map(line)]
}
