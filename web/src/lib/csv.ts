/** Comma-separated values (RFC 4180), which spreadsheets open as UTF-8 and never as formulas. */

export type Cell = string | number | null | undefined

/** Rows as the text of a file. */
export function csv(rows: readonly (readonly Cell[])[]): string {
  return `\ufeff${rows.map((row) => row.map(quoted).join(',')).join('\r\n')}\r\n`
}

function quoted(cell: Cell): string {
  if (cell === null || cell === undefined) return ''
  if (typeof cell === 'number') return String(cell)
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell // a file's name may be a formula
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
