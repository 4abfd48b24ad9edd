/** Sorting and summing up the queue. */
import type { Emotion } from '../api/types'
import { csv } from './csv'

export type Column = 'name' | 'state' | 'emotion' | 'confidence' | 'duration'

export interface Row {
  readonly key: number
  readonly name: string
  readonly state: string
  readonly emotion: string | null
  readonly confidence: number | null
  readonly duration: number | null
  readonly scores: Readonly<Record<Emotion, number>> | null
  readonly head: {
    readonly name: string
    readonly label: string
    readonly confidence: number
    readonly scores: Readonly<Record<string, number>>
  } | null
  readonly model: string | null
  readonly output: string | null
  readonly warnings: readonly string[]
  readonly problem: string | null
}

/** Rows in the order of a column; what has no value comes last, whatever the direction. */
export function sorted(rows: readonly Row[], column: Column, descending: boolean): Row[] {
  const sign = descending ? -1 : 1
  return [...rows].sort((a, b) => {
    const [x, y] = [a[column], b[column]]
    if (x === y) return a.key - b.key
    if (x === null) return 1
    if (y === null) return -1
    const order =
      typeof x === 'number' && typeof y === 'number'
        ? x - y
        : String(x).localeCompare(String(y), undefined, { numeric: true })
    return sign * order || a.key - b.key
  })
}

export interface Sums {
  readonly emotions: readonly (readonly [string, number])[] // most frequent first
  readonly mean: number | null // of the durations
  readonly total: number
  readonly failed: number
}

export function summed(rows: readonly Row[]): Sums {
  const counts = new Map<string, number>()
  let [total, known] = [0, 0]
  for (const { emotion, duration } of rows) {
    if (emotion) counts.set(emotion, (counts.get(emotion) ?? 0) + 1)
    if (duration !== null) [total, known] = [total + duration, known + 1]
  }
  return {
    emotions: [...counts].sort((a, b) => b[1] - a[1]),
    mean: known ? total / known : null,
    total,
    failed: rows.filter((row) => row.state === 'failed').length,
  }
}

/** All rows as a file for spreadsheets; where heads were asked, with what they hear, a column for each of their classes. */
export function asCsv(rows: readonly Row[], emotions: readonly Emotion[]): string {
  const heads = rows.flatMap(({ head }) => head ?? [])
  const classes = [...new Set(heads.flatMap(({ scores }) => Object.keys(scores)))]
  const own = heads.length
    ? ['head', 'head_label', 'head_confidence', ...classes.map((name) => `head_${name}`)]
    : []
  const head = [
    'file',
    'state',
    'emotion',
    'confidence',
    ...emotions,
    'duration',
    'model',
    'warnings',
    'output',
    'problem',
    ...own,
  ]
  return csv([
    head,
    ...rows.map((row) => [
      row.name,
      row.state,
      row.emotion,
      row.confidence,
      ...emotions.map((name) => row.scores?.[name]),
      row.duration,
      row.model,
      row.warnings.join(' '),
      row.output,
      row.problem,
      ...(heads.length
        ? [row.head?.name, row.head?.label, row.head?.confidence, ...classes.map((name) => row.head?.scores[name])]
        : []),
    ]),
  ])
}
