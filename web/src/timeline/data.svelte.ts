/** A recording's peaks, curves and segments, fetched in tiles at the resolution that is looked at. */
import { asProblem, type ProblemError } from '../api/problem'
import type { Curve, Timeline } from '../api/types'
import type { Numbers } from '../lib/readouts'
import { type Tile, tiles, type View, level as levelOf, span, TILE } from './view'

/** Points of the first look at all of it. */
export const WHOLE = 2048
const MOST = 240 // tiles that are kept
const AT_ONCE = 4 // requests
const SOON = 60 // milliseconds: while the view is zoomed, most of what it passes is never looked at

/** Sound and scores of a stretch. */
export interface Piece {
  readonly from: number
  readonly to: number
  readonly data: Timeline
}

export type Fetch = (
  start: number,
  end: number,
  points: number,
  segments: boolean,
  signal: AbortSignal,
) => Promise<Timeline>

export class TimelineData {
  problem = $state.raw<ProblemError | null>(null)
  /** Changes whenever there is more to draw. */
  version = $state(0)

  readonly #fetch: Fetch
  readonly #side: (timeline: Timeline) => Timeline
  #all = $state.raw<Timeline | null>(null)
  readonly #tiles = new Map<string, Timeline>()
  readonly #stop = new AbortController()
  #wanted: Tile[] = []
  #running = new Set<string>()
  #timer: ReturnType<typeof setTimeout> | null = null

  /** `side`: which side of a result with a baseline is looked at. */
  constructor(
    readonly duration: number,
    fetch: Fetch,
    side: (timeline: Timeline) => Timeline = (timeline) => timeline,
  ) {
    this.#fetch = fetch
    this.#side = side
  }

  /** All of it, coarsely, with all segments; null until it is there. */
  get whole(): Timeline | null {
    return this.#all && this.#side(this.#all)
  }

  /** `first`: the first look, if it is under way already. */
  async begin(first: Promise<Timeline | null> = Promise.resolve(null)): Promise<void> {
    this.problem = null
    try {
      this.#all = (await first) ?? (await this.#fetch(0, this.duration, WHOLE, true, this.#stop.signal))
      this.version++
      this.#load()
    } catch (error) {
      if (!this.#stop.signal.aborted) this.problem = asProblem(error)
    }
  }

  /** Note what somebody said that a segment is; null: nothing any more. */
  relabel(index: number, label: string | null): void {
    const segments = this.#all?.segments?.map((segment, at) => (at === index ? { ...segment, label } : segment))
    if (!this.#all || !segments) return
    this.#all = { ...this.#all, segments }
    this.version++
  }

  end(): void {
    this.#stop.abort()
    if (this.#timer) clearTimeout(this.#timer)
  }

  /** The loudest sample, 0 to 1; of what is nearly silent, as if it were louder. */
  readonly peak = $derived(
    (this.whole?.high ?? []).reduce(
      (peak, high, index) => Math.max(peak, high, -(this.whole?.low[index] ?? 0)),
      0.05,
    ),
  )

  /** What there is to draw of a view; what is missing is fetched, and coarser meanwhile. */
  pieces(view: View, pixels: number): Piece[] {
    const whole = this.whole
    if (!whole) return []
    const level = levelOf(view, pixels)
    if (span(level) / TILE >= this.duration / WHOLE) {
      this.#wanted = []
      return [{ from: 0, to: this.duration, data: whole }]
    }
    const shown = tiles(view, level, this.duration, 1)
    this.#wanted = shown.filter((tile) => !this.#tiles.has(key(tile)))
    if (this.#wanted.length) this.#timer ??= setTimeout(() => this.#load(), SOON)
    return shown.map((tile) => ({ from: tile.start, to: tile.end, data: this.#best(tile, whole) }))
  }

  /** The numbers of a readout, or of the nine, at a moment, as fine as they are known; null where there are none. */
  numbersAt(time: number, name: string | null): Numbers | null {
    let best = this.whole
    let finest = Number.POSITIVE_INFINITY
    for (const data of this.#tiles.values()) {
      const length = data.end - data.start
      if (data.start <= time && time < data.end && length < finest && data.curve?.times.length) {
        ;[best, finest] = [this.#side(data), length]
      }
    }
    return best ? numbersAt(best, time, name) : null
  }

  #best(tile: Tile, whole: Timeline): Timeline {
    for (let level = tile.level; level < tile.level + 24; level++) {
      const index = Math.floor(tile.start / span(level) + 1e-9)
      const found = this.#tiles.get(key({ level, index }))
      if (found) return this.#side(found)
    }
    return whole
  }

  #load(): void {
    this.#timer = null
    while (this.#running.size < AT_ONCE) {
      const tile = this.#wanted.find((tile) => !this.#running.has(key(tile)))
      if (!tile || this.#stop.signal.aborted) return
      this.#wanted = this.#wanted.filter((other) => other !== tile)
      void this.#get(tile)
    }
  }

  async #get(tile: Tile): Promise<void> {
    const name = key(tile)
    this.#running.add(name)
    try {
      const points = Math.max(1, Math.round((TILE * (tile.end - tile.start)) / span(tile.level)))
      const data = await this.#fetch(tile.start, tile.end, points, false, this.#stop.signal)
      this.#tiles.set(name, data)
      const oldest = this.#tiles.keys().next()
      if (this.#tiles.size > MOST && !oldest.done) this.#tiles.delete(oldest.value)
      this.version++
    } catch {
      // the coarser one stays; it is asked for again when the view moves
    } finally {
      this.#running.delete(name)
      this.#load()
    }
  }
}

type Columns = Readonly<Record<string, readonly (number | null)[]>>

/** The numbers of a readout, or of the nine (null), by their names; null: nothing counts at that point. */
export function columnsOf(curve: Curve | null | undefined, name: string | null): Columns {
  if (name === null) return curve?.scores ?? {}
  const readout = curve?.readouts[name]
  return readout?.scores ?? readout?.values ?? {}
}

/** The numbers at a moment, between the two points around it; null where nothing counts. */
export function numbersAt(data: Timeline, time: number, name: string | null): Numbers | null {
  const curve = data.curve
  if (!curve?.times.length) return null
  const after = upperBound(curve.times, time)
  const [i, j] = [Math.max(0, after - 1), Math.min(curve.times.length - 1, after)]
  const [t0, t1] = [curve.times[i] ?? 0, curve.times[j] ?? 0]
  const share = t1 > t0 ? Math.min(1, Math.max(0, (time - t0) / (t1 - t0))) : 0
  const numbers: Record<string, number> = {}
  for (const [label, column] of Object.entries(columnsOf(curve, name))) {
    const a = column[i] ?? column[j] // at the edge of what counts
    const b = column[j] ?? column[i]
    if (a == null || b == null) return null
    numbers[label] = a + (b - a) * share
  }
  return Object.keys(numbers).length ? numbers : null
}

/** The index of the first value that is greater. */
export function upperBound(values: readonly number[], limit: number): number {
  let [low, high] = [0, values.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((values[middle] ?? 0) > limit) high = middle
    else low = middle + 1
  }
  return low
}

function key(tile: { level: number; index: number }): string {
  return `${tile.level}:${tile.index}`
}
