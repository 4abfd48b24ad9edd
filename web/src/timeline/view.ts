/** What part of a recording is in view, in seconds; and the steps in which it is fetched. */

export interface View {
  readonly start: number
  readonly end: number
}

/** The narrowest view: a syllable. */
export const NARROWEST = 0.05

/** A view of this length and start, moved and cut so that it lies within the recording. */
export function within(start: number, length: number, duration: number): View {
  const size = Math.min(Math.max(length, Math.min(NARROWEST, duration)), duration)
  const from = Math.min(Math.max(0, start), duration - size)
  return { start: from, end: from + size }
}

/** Zoom by a factor (over 1: closer) around a moment, which keeps its place. */
export function zoomed(view: View, factor: number, around: number, duration: number): View {
  const length = within(0, (view.end - view.start) / factor, duration).end
  const share = (around - view.start) / (view.end - view.start)
  return within(around - share * length, length, duration)
}

/** Move by seconds. */
export function moved(view: View, by: number, duration: number): View {
  return within(view.start + by, view.end - view.start, duration)
}

/** A view that shows a stretch with some room around it. */
export function around(start: number, end: number, duration: number): View {
  const room = Math.max((end - start) * 0.15, NARROWEST / 4)
  return within(start - room, end - start + 2 * room, duration)
}

/** The place of a moment, in units of `width`. */
export function toX(time: number, view: View, width: number): number {
  return ((time - view.start) / (view.end - view.start)) * width
}

/** The moment at a place. */
export function toTime(x: number, view: View, width: number): number {
  return view.start + (x / width) * (view.end - view.start)
}

const STEPS = [
  0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400,
]

/** The marks of a time axis: the step, and the moments, at most one every `least` units. */
export function ticks(view: View, width: number, least = 80): { step: number; times: number[] } {
  const wanted = ((view.end - view.start) / width) * least
  const step = STEPS.find((step) => step >= wanted) ?? 28800
  const times: number[] = []
  for (let index = Math.ceil(view.start / step); index * step <= view.end; index++) times.push(index * step)
  return { step, times }
}

/** Points of a tile. */
export const TILE = 512
const FINEST = 1 / 4000 // seconds a point, at level 0: four samples

export interface Tile {
  readonly level: number
  readonly index: number
  readonly start: number
  readonly end: number
}

/** The level whose points are as fine as a pixel, or the next finer. */
export function level(view: View, pixels: number): number {
  const seconds = (view.end - view.start) / Math.max(1, pixels)
  return Math.max(0, Math.floor(Math.log2(seconds / FINEST)))
}

/** Seconds of a tile at a level. */
export function span(level: number): number {
  return TILE * FINEST * 2 ** level
}

/** The tiles that cover a view at a level, and `margin` more on each side. */
export function tiles(view: View, level: number, duration: number, margin = 0): Tile[] {
  const size = span(level)
  const last = Math.max(0, Math.ceil(duration / size) - 1)
  const from = Math.max(0, Math.floor(view.start / size) - margin)
  const to = Math.min(last, Math.floor(view.end / size) + margin)
  const found: Tile[] = []
  for (let index = from; index <= to; index++) {
    found.push({ level, index, start: index * size, end: Math.min(duration, (index + 1) * size) })
  }
  return found
}
