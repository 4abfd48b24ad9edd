/** What differs between recordings, by what their speech comes to. */
import type { SpeechSummary } from '../api/types'

const LEAST = 0.1 // of the speech, or of a value's range of 1: less isn't told
const TOLD = 3

/** A class or value that differs: where it is highest and lowest, of the recordings as they stand. */
export interface Difference {
  readonly name: string
  readonly high: number
  readonly low: number
  readonly most: number // a share of the speech, or a value
  readonly least: number
}

/** What differs by a tenth at least, most first; of summaries that aren't of one kind nothing can be said. */
export function differences(summaries: readonly (SpeechSummary | null | undefined)[]): Difference[] {
  const known = summaries.filter((one) => one != null)
  const values = known.every((one) => one.values)
  if (known.length < 2 || known.length < summaries.length || (!values && known.some((one) => one.values)))
    return []
  const tables = known.map((one) => (values ? (one.values ?? {}) : one.shares))
  const names = [...new Set(tables.flatMap((table) => Object.keys(table)))]
  return names
    .map((name) => {
      const numbers = tables.map((table) => table[name] ?? 0)
      const [most, least] = [Math.max(...numbers), Math.min(...numbers)]
      return { name, most, least, high: numbers.indexOf(most), low: numbers.indexOf(least) }
    })
    .filter(({ most, least }) => most - least >= LEAST)
    .sort((a, b) => b.most - b.least - (a.most - a.least))
    .slice(0, TOLD)
}

/** The letter of the recording at an index: A to Z, then numbers. */
export function letter(index: number): string {
  return index < 26 ? String.fromCharCode(65 + index) : String(index + 1)
}
