/** The plane of arousal and valence: where a readout has the two, and the way of a recording through it. */
import type { Curve, ReadoutResult } from '../api/types'

/** Where the two are, found by their names and never by their places. */
export interface Axes {
  readonly readout: string
  readonly arousal: string
  readonly valence: string
  readonly range: readonly [number, number]
}

/** A moment of the way, or a segment: null where nothing counts. */
export interface Spot {
  readonly time: number
  readonly at: readonly [valence: number, arousal: number] | null
}

type Readouts = Readonly<Record<string, Pick<ReadoutResult, 'values' | 'range'>>>
type Columns = Readonly<Record<string, readonly (number | null)[]>>

function named(labels: readonly string[], word: string): string | undefined {
  return labels.find((label) => label.toLowerCase() === word)
}

/** The first readout that has values of both, and their range; null: none has. */
export function axesOf(
  readouts: Readonly<Record<string, { readonly values?: object | null; readonly range?: number[] | null }>>,
): Axes | null {
  for (const [readout, { values, range }] of Object.entries(readouts)) {
    const labels = Object.keys(values ?? {})
    const [arousal, valence] = [named(labels, 'arousal'), named(labels, 'valence')]
    const [low, high] = range ?? []
    if (arousal !== undefined && valence !== undefined && low !== undefined && high !== undefined) {
      return { readout, arousal, valence, range: [low, high] }
    }
  }
  return null
}

/** A moment's spot, by what readouts gave. */
export function spotOf(time: number, readouts: Readouts | undefined, axes: Axes): Spot {
  const values = readouts?.[axes.readout]?.values
  const [valence, arousal] = [values?.[axes.valence], values?.[axes.arousal]]
  return { time, at: valence === undefined || arousal === undefined ? null : [valence, arousal] }
}

/** The way that a curve goes, at most so many spots; nothing where `spoken` says that nobody speaks. */
export function wayOf(
  curve: Curve | null | undefined,
  axes: Axes,
  most: number,
  spoken: (time: number) => boolean,
): Spot[] {
  const columns: Columns = curve?.readouts[axes.readout]?.values ?? {}
  const [valence, arousal] = [columns[axes.valence] ?? [], columns[axes.arousal] ?? []]
  const step = Math.max(1, Math.ceil(valence.length / most))
  const way: Spot[] = []
  for (let index = 0; index < valence.length; index += step) {
    const time = curve?.times[index] ?? 0
    const [x, y] = [valence[index], arousal[index]]
    way.push({ time, at: x == null || y == null || !spoken(time) ? null : [x, y] })
  }
  return way
}

const TIME = { light: ['#14328c', '#d97a00'], dark: ['#7d9bff', '#ffd75e'] } as const

/** From blue to amber as time goes by, on light ground and on dark: told apart in every kind of colour vision. */
export function colourAt(share: number, dark: boolean): string {
  const [from, to] = (dark ? TIME.dark : TIME.light).map((colour) => Number.parseInt(colour.slice(1), 16))
  const mixed = [16, 8, 0].map((shift) => {
    const [a, b] = [((from ?? 0) >> shift) & 255, ((to ?? 0) >> shift) & 255]
    return Math.round(a + (b - a) * Math.min(1, Math.max(0, share)))
  })
  return `rgb(${mixed.join(' ')})`
}

/** The ends of both axes: the range, and what lies outside it. */
export function extentOf(axes: Axes, spots: readonly Spot[]): [number, number] {
  let [low, high] = axes.range
  for (const { at } of spots) {
    for (const number of at ?? []) {
      low = Math.min(low, number)
      high = Math.max(high, number)
    }
  }
  return [low, high]
}

/** Runs of spots without a gap, cut into pieces of one colour each, which meet. */
export function pieces(way: readonly Spot[], count: number, duration: number): { share: number; line: Spot[] }[] {
  const result: { share: number; line: Spot[] }[] = []
  let before: Spot | null = null
  for (const spot of way) {
    if (!spot.at) {
      before = null
      continue
    }
    const share = Math.floor((spot.time / (duration || 1)) * count) / count
    const last = result.at(-1)
    if (before && last && last.share === share) last.line.push(spot)
    else result.push({ share, line: before ? [before, spot] : [spot] })
    before = spot
  }
  return result.filter(({ line }) => line.length > 1)
}
