/** What leads when: stretches of speech, their shares in equal bins, and the peaks. */
import type { Curve, Segment } from '../api/types'
import { numbersOf, type Series } from '../lib/readouts'
import { columnsOf, upperBound } from './data.svelte'

/** Speech of which one class leads. */
export interface Stretch {
  readonly start: number
  readonly end: number
  readonly place: number // of the class among the lines of a series; -1: none leads, as of values
  readonly share: number // its score; 1 where it has none
}

/** The segments, by what leads in each; where there are none, the points of a curve. */
export function stretches(segments: readonly Segment[], series: Series | null, curve: Curve | null): Stretch[] {
  const places = new Map(series?.lines.map(({ name }, place) => [name, place]))
  if (segments.length || !series || !curve) {
    return segments.map((segment) => {
      const readout = series?.name == null ? null : segment.readouts?.[series.name]
      const name = series?.name == null ? segment.emotion : readout?.label
      const share = series?.name == null ? segment.confidence : readout?.confidence
      return { start: segment.start, end: segment.end, place: places.get(name ?? '') ?? -1, share: share ?? 1 }
    })
  }
  const columns = columnsOf(curve, series.name)
  return curve.times.map((time, index) => {
    const place = series.values ? -1 : highest(series, columns, index)
    const share = columns[series.lines[place]?.name ?? '']?.[index] ?? 1
    return { start: time, end: curve.times[index + 1] ?? time, place, share }
  })
}

function highest(
  series: Series,
  columns: Readonly<Record<string, readonly (number | null)[]>>,
  index: number,
): number {
  let [best, most] = [-1, 0]
  for (const [place, { name }] of series.lines.entries()) {
    const value = columns[name]?.[index] ?? 0
    if (value > most) [best, most] = [place, value]
  }
  return best
}

/** Seconds of speech in equal spans of time, all and by what leads. */
export interface Bins {
  readonly from: number // seconds
  readonly size: number
  readonly count: number
  readonly spoken: Float64Array // (count,)
  readonly led: Float64Array // (count × lines,)
  readonly lines: number
}

/** Bins of `size` seconds over a view and a little more, which stay where they are when the view moves. */
export function binned(
  stretches: readonly Stretch[],
  lines: number,
  view: { readonly start: number; readonly end: number },
  size: number,
): Bins {
  const first = Math.floor(view.start / size) - 1
  const count = Math.ceil(view.end / size) + 1 - first
  const bins: Bins = {
    from: first * size,
    size,
    count,
    lines,
    spoken: new Float64Array(count),
    led: new Float64Array(count * lines),
  }
  for (let index = firstAfter(stretches, bins.from); index < stretches.length; index++) {
    const { start, end, place } = stretches[index] as Stretch
    let bin = Math.max(0, Math.floor((start - bins.from) / size))
    if (bin >= count) break
    for (; bin < count; bin++) {
      const left = bins.from + bin * size
      if (left >= end) break
      const seconds = Math.min(end, left + size) - Math.max(start, left)
      bins.spoken[bin]! += seconds
      if (place >= 0) bins.led[bin * lines + place]! += seconds
    }
  }
  return bins
}

/** The index of the first stretch that ends after a moment. They don't overlap. */
export function firstAfter(stretches: readonly { readonly end: number }[], time: number): number {
  let [low, high] = [0, stretches.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((stretches[middle]?.end ?? 0) > time) high = middle
    else low = middle + 1
  }
  return low
}

/** Means over each bin and `around` neighbours on both sides, so that single seconds don't make a barcode. */
export function calmed(bins: Bins, around: number): Bins {
  const { count, lines } = bins
  const spoken = new Float64Array(count)
  const led = new Float64Array(count * lines)
  for (let bin = 0; bin < count; bin++) {
    for (let other = Math.max(0, bin - around); other <= Math.min(count - 1, bin + around); other++) {
      const weight = 1 - Math.abs(other - bin) / (around + 1)
      spoken[bin]! += weight * (bins.spoken[other] ?? 0)
      for (let place = 0; place < lines; place++)
        led[bin * lines + place]! += weight * (bins.led[other * lines + place] ?? 0)
    }
  }
  return { ...bins, spoken, led }
}

/** Silence: of a bin less than this is spoken. */
const SPOKEN = 0.04

/** A span of time in which one class leads, or nobody speaks. */
export interface Run {
  readonly start: number
  readonly end: number
  readonly place: number // -1: no class leads
  readonly spoken: boolean
}

/** The runs of what leads in bins. */
export function runs(bins: Bins): Run[] {
  const found: Run[] = []
  for (let bin = 0; bin < bins.count; bin++) {
    const spoken = (bins.spoken[bin] ?? 0) > SPOKEN * bins.size
    const place = spoken ? leader(bins, bin) : -1
    const [start, last] = [bins.from + bin * bins.size, found.at(-1)]
    if (last?.spoken === spoken && last.place === place)
      found[found.length - 1] = { ...last, end: start + bins.size }
    else found.push({ start, end: start + bins.size, place, spoken })
  }
  return found
}

function leader({ led, lines }: Bins, bin: number): number {
  let [best, most] = [-1, 0]
  for (let place = 0; place < lines; place++) {
    const seconds = led[bin * lines + place] ?? 0
    if (seconds > most) [best, most] = [place, seconds]
  }
  return best
}

/** The runs of stretches themselves, with the silence between them. */
export function exactRuns(
  stretches: readonly Stretch[],
  view: { readonly start: number; readonly end: number },
): Run[] {
  const found: Run[] = []
  let time = view.start
  for (let index = firstAfter(stretches, view.start); index < stretches.length; index++) {
    const { start, end, place } = stretches[index] as Stretch
    if (start > view.end) break
    if (start > time) found.push({ start: time, end: start, place: -1, spoken: false })
    found.push({ start: Math.max(start, time), end, place, spoken: true })
    time = Math.max(time, end)
  }
  if (time < view.end) found.push({ start: time, end: view.end, place: -1, spoken: false })
  return found
}

/** A moment that stands out. */
export interface Peak {
  readonly time: number
  readonly place: number
  readonly index: number // of its stretch
}

/** What is no emotion, by the names that models have for it. */
const NOTHING = /^(neu|neutral|calm|other|unknown|中性|其他|未知)/i

/**
 * The strongest stretches of emotions, `apart` seconds from each other at least; of several emotions, if there are.
 * Those that are `given` come first, and are there however near.
 */
export function peaks(
  stretches: readonly Stretch[],
  series: Series,
  apart: number,
  most: number,
  given: readonly Peak[] = [],
): Peak[] {
  const quiet = series.lines.map(({ name }) => NOTHING.test(name))
  const candidates = stretches.flatMap(({ start, end, place, share }, index) =>
    place < 0 || quiet[place]
      ? []
      : [{ time: (start + end) / 2, place, index, weight: share * Math.sqrt(Math.min(end - start, 6)) }],
  )
  candidates.sort((a, b) => b.weight - a.weight)
  const found = [...given]
  const had = new Map<number, number>() // how many of an emotion
  for (const { place } of given) had.set(place, (had.get(place) ?? 0) + 1)
  for (let round = 1; found.length < most && round <= most; round++) {
    for (const { time, place, index } of candidates) {
      if (found.length >= most) break
      if ((had.get(place) ?? 0) >= round || found.some((peak) => Math.abs(peak.time - time) < apart)) continue
      had.set(place, (had.get(place) ?? 0) + 1)
      found.push({ time, place, index })
    }
  }
  return found.sort((a, b) => a.time - b.time)
}

/** Moments that a summary has named, as peaks of a series. */
export function named(
  moments: readonly { readonly name: string; readonly start: number; readonly end: number }[],
  stretches: readonly Stretch[],
  series: Series,
): Peak[] {
  return moments.flatMap(({ name, start, end }) => {
    const place = series.lines.findIndex((line) => line.name === name)
    const index = firstAfter(stretches, start)
    return place < 0 || index === stretches.length ? [] : [{ time: (start + end) / 2, place, index }]
  })
}

/** Which lines lead somewhere, or pass a share where somebody speaks: those that are worth drawing. */
export function prominent(
  series: Series,
  segments: readonly Segment[],
  curve: Curve | null,
  led: readonly Stretch[],
  least = 0.15,
): Set<string> {
  const names = series.lines.map(({ name }) => name)
  if (series.values) return new Set(names)
  const found = new Set(led.flatMap(({ place }) => names[place] ?? []))
  const columns = columnsOf(curve, series.name)
  const passes = (name: string): boolean =>
    segments.length
      ? segments.some((segment) => (numbersOf(segment, series.name)?.[name] ?? 0) > least)
      : !!columns[name]?.some((value) => value !== null && value > least)
  for (const name of names) if (!found.has(name) && passes(name)) found.add(name)
  return found
}

/** One side's turn in a call: its segments until the other speaks. */
export interface Turn {
  readonly side: number
  readonly start: number
  readonly end: number
}

/** The turns of two sides, by time. */
export function turns(sides: readonly (readonly { readonly start: number; readonly end: number }[])[]): Turn[] {
  const all = sides.flatMap((segments, side) => segments.map(({ start, end }) => ({ side, start, end })))
  all.sort((a, b) => a.start - b.start)
  const found: Turn[] = []
  for (const turn of all) {
    const last = found.at(-1)
    if (last?.side === turn.side) found[found.length - 1] = { ...last, end: Math.max(last.end, turn.end) }
    else found.push(turn)
  }
  return found
}

/** Who speaks how long: seconds of each side, and of both at once. */
export function talk(sides: readonly (readonly { readonly start: number; readonly end: number }[])[]): {
  spoken: number[]
  both: number
} {
  const spoken = sides.map((segments) => segments.reduce((sum, { start, end }) => sum + end - start, 0))
  const [one = [], other = []] = sides
  let [both, from] = [0, 0]
  for (const { start, end } of one) {
    while (from < other.length && (other[from]?.end ?? 0) <= start) from++
    for (let index = from; index < other.length && (other[index]?.start ?? 0) < end; index++) {
      both += Math.min(end, other[index]?.end ?? 0) - Math.max(start, other[index]?.start ?? 0)
    }
  }
  return { spoken, both }
}

/** Points of several curves at once. */
export interface Samples {
  readonly times: readonly number[]
  readonly values: readonly (readonly number[])[] // by line; NaN: nothing counts there
}

/**
 * Means of what segments are, in bins of `size` seconds over a view, by how long each lasts: what the model makes of
 * the silence between them doesn't count. A bin's neighbours count half, as in `calmed`.
 */
export function segmentMeans(
  segments: readonly Segment[],
  series: Series,
  view: { readonly start: number; readonly end: number },
  size: number,
): Samples {
  const first = Math.floor(view.start / size) - 2
  const count = Math.ceil(view.end / size) + 2 - first
  const lines = series.lines.length
  const spoken = new Float64Array(count)
  const sums = new Float64Array(count * lines)
  for (let index = firstAfter(segments, first * size); index < segments.length; index++) {
    const segment = segments[index] as Segment
    if (segment.start >= (first + count) * size) break
    const numbers = numbersOf(segment, series.name)
    if (!numbers) continue
    const from = Math.max(0, Math.floor(segment.start / size) - first)
    for (let bin = from; bin < count && (first + bin) * size < segment.end; bin++) {
      const left = (first + bin) * size
      const seconds = Math.min(segment.end, left + size) - Math.max(segment.start, left)
      spoken[bin]! += seconds
      for (let line = 0; line < lines; line++)
        sums[bin * lines + line]! += seconds * (numbers[series.lines[line]?.name ?? ''] ?? 0)
    }
  }
  const times = Array.from({ length: count }, (_, bin) => (first + bin + 0.5) * size)
  const values = series.lines.map((_, line) =>
    times.map((_, bin) => {
      let [sum, all] = [0, 0]
      for (let other = bin - 1; other <= bin + 1; other++) {
        const weight = other === bin ? 1 : 0.5
        sum += weight * (sums[other * lines + line] ?? 0)
        all += weight * (spoken[other] ?? 0)
      }
      return all > SPOKEN * size ? sum / all : Number.NaN
    }),
  )
  return { times, values }
}

interface Drawn {
  readonly from: number
  readonly to: number
  readonly data: { readonly start: number; readonly end: number; readonly curve: Curve | null }
}

/** Means of curves in bins, from just before a view to just after it. */
export function sampled(
  pieces: readonly Drawn[],
  series: string | null,
  names: readonly string[],
  view: { readonly start: number; readonly end: number },
  bin: number,
): Samples {
  const times: number[] = []
  const values: number[][] = names.map(() => [])
  const sums = new Float64Array(names.length)
  const counts = new Uint32Array(names.length)
  let [current, count, sum] = [Number.NaN, 0, 0]
  const flush = (): void => {
    if (!count) return
    times.push(sum / count)
    for (let line = 0; line < names.length; line++) values[line]!.push(sums[line]! / counts[line]!)
    sums.fill(0)
    counts.fill(0)
    ;[count, sum] = [0, 0]
  }
  for (const { from, to, data } of pieces) {
    const own = data.curve?.times ?? []
    const all = columnsOf(data.curve, series)
    const columns = names.map((name) => all[name])
    const first = upperBound(own, Math.max(from, view.start - 2 * bin)) - 2
    for (let index = Math.max(0, first); index < own.length; index++) {
      const time = own[index] ?? 0
      if (time < from && from > data.start) continue
      if (time >= to && to < data.end) break
      const place = Math.floor(time / bin)
      if (place !== current) {
        flush()
        if ((times.at(-1) ?? 0) > view.end) return { times, values }
        current = place
      }
      count++
      sum += time
      for (let line = 0; line < names.length; line++) {
        const value = columns[line]?.[index]
        if (value == null) continue
        sums[line]! += value
        counts[line]!++
      }
    }
  }
  flush()
  return { times, values }
}
