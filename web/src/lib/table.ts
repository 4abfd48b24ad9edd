/** Sorting and summing up the queue. */
import type { Brief, Emotion, ReadoutResult, Scores } from '../api/types'
import { type Cell, csv } from './csv'

export type Column = 'name' | 'state' | 'emotion' | 'confidence' | 'duration' | 'created'

export interface Row {
  readonly key: number
  readonly name: string
  readonly state: string
  readonly emotion: Emotion | null // of result.json, as is its confidence
  readonly confidence: number | null
  /** What stands for it in a line: the summary's headline, or its emotion, or what leads in another readout. */
  readonly label: string | null
  readonly share: number | null // of what leads, where one does
  readonly lead: Emotion | null
  readonly summary: Brief | null
  readonly duration: number | null
  readonly created?: string | null
  readonly tags?: readonly string[]
  readonly scores: Scores | null
  readonly readouts: Readonly<Record<string, ReadoutResult>>
  readonly model: string | null
  readonly output: string | null
  /** What its scores are relative to, if that is anything. */
  readonly baseline: string | null
  readonly warnings: readonly string[]
  readonly problem: string | null
}

/** Rows in the order of a column; what has no value comes last, whatever the direction. */
export function sorted<T extends Row>(rows: readonly T[], column: Column, descending: boolean): T[] {
  const sign = descending ? -1 : 1
  return [...rows].sort((a, b) => {
    const [x, y] =
      column === 'emotion'
        ? [a.label, b.label]
        : column === 'confidence'
          ? [a.share, b.share]
          : [a[column] ?? null, b[column] ?? null]
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
  readonly emotions: readonly (readonly [Emotion, number])[] // most frequent first
  readonly labels: readonly (readonly [string, number])[] // the leading ones, if the model doesn't give the nine
  readonly values: readonly (readonly [string, number])[] // means
  readonly mean: number | null // of the durations
  readonly total: number
  readonly failed: number
}

export function summed(rows: readonly Row[]): Sums {
  const emotions = new Map<Emotion, number>()
  const labels = new Map<string, number>()
  const values = new Map<string, number[]>()
  let [total, known] = [0, 0]
  for (const { lead, readouts, duration } of rows) {
    const [first] = Object.values(readouts)
    if (lead) emotions.set(lead, (emotions.get(lead) ?? 0) + 1)
    else if (first?.label) labels.set(first.label, (labels.get(first.label) ?? 0) + 1)
    else
      for (const [name, value] of Object.entries(first?.values ?? {}))
        values.set(name, [...(values.get(name) ?? []), value])
    if (duration !== null) [total, known] = [total + duration, known + 1]
  }
  return {
    emotions: [...emotions].sort((a, b) => b[1] - a[1]),
    labels: [...labels].sort((a, b) => b[1] - a[1]),
    values: [...values].map(([name, all]) => [name, all.reduce((sum, value) => sum + value, 0) / all.length]),
    mean: known ? total / known : null,
    total,
    failed: rows.filter((row) => row.state === 'failed').length,
  }
}

/**
 * All rows as a file for spreadsheets: with the nine, then with what the readouts gave, as `READOUT.LABEL`.
 */
export function asCsv(rows: readonly Row[], emotions: readonly Emotion[]): string {
  const own = new Map<string, (row: Row) => Cell>()
  for (const row of rows) {
    for (const [readout, { values, scores }] of Object.entries(row.readouts)) {
      if (scores) {
        own.set(`${readout}.label`, ({ readouts }) => readouts[readout]?.label)
        own.set(`${readout}.confidence`, ({ readouts }) => readouts[readout]?.confidence)
      }
      for (const label of Object.keys(values ?? scores ?? {}))
        own.set(
          `${readout}.${label}`,
          ({ readouts }) => (readouts[readout]?.values ?? readouts[readout]?.scores)?.[label],
        )
    }
  }
  const columns = new Map<string, (row: Row) => Cell>([
    ['file', ({ name }) => name],
    ['state', ({ state }) => state],
    ['emotion', ({ emotion }) => emotion],
    ['confidence', ({ emotion, confidence }) => emotion && confidence],
    ...emotions.map((name): [string, (row: Row) => Cell] => [name, ({ scores }) => scores?.[name]]),
    ['duration', ({ duration }) => duration],
    ['model', ({ model }) => model],
    ...(rows.some(({ baseline }) => baseline)
      ? [['baseline', ({ baseline }: Row) => baseline] as [string, (row: Row) => Cell]]
      : []),
    ...(rows.some(({ created }) => created)
      ? [['created', ({ created }: Row) => created] as [string, (row: Row) => Cell]]
      : []),
    ...(rows.some(({ tags }) => tags?.length)
      ? [['tags', ({ tags }: Row) => tags?.join(' ')] as [string, (row: Row) => Cell]]
      : []),
    ...(rows.some(({ summary }) => summary)
      ? ([
          ['summary', ({ summary }) => summary?.kind],
          ['headline', ({ summary }) => summary?.headline.en],
          ['headline_zh', ({ summary }) => summary?.headline.zh],
        ] as [string, (row: Row) => Cell][])
      : []),
    ['warnings', ({ warnings }) => warnings.join(' ')],
    ['output', ({ output }) => output],
    ['problem', ({ problem }) => problem],
    ...own,
  ])
  return csv([[...columns.keys()], ...rows.map((row) => [...columns.values()].map((cell) => cell(row)))])
}
