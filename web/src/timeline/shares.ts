/** Draws hours: shares of speech over time, stacked; above them what leads, and pins on the peaks. */
import { fill } from '../lib/patterns'
import type { Series } from '../lib/readouts'
import type { Bins, Peak } from './leads'
import { type Box, grid, type Look, toY } from './paint'
import { toX, type View } from './view'

/** Stacked from the foot: emotions by how often they lead, then neutral and what is none. */
export function shares(
  context: CanvasRenderingContext2D,
  {
    view,
    look,
    box,
    series,
    hidden,
    bins,
  }: {
    readonly view: View
    readonly look: Look
    readonly box: Box
    readonly series: Series
    readonly hidden: ReadonlySet<string>
    readonly bins: Bins
  },
): void {
  const scale = { series, box, look, extent: [0, 1] as const }
  grid(context, scale, false)
  const below = new Float64Array(bins.count)
  for (const place of order(series, bins)) {
    const line = series.lines[place]
    if (!line || hidden.has(line.name)) continue
    context.fillStyle = fill(context, line.colour, line.texture)
    context.globalAlpha = line.name === 'neutral' ? QUIETLY : 1
    const share = (bin: number): number => (bins.led[bin * bins.lines + place] ?? 0) / (bins.spoken[bin] || 1)
    for (let bin = 0; bin < bins.count;) {
      if (!bins.spoken[bin]) {
        bin++
        continue
      }
      const first = bin
      while (bin < bins.count && bins.spoken[bin]) bin++
      area(
        context,
        first,
        bin,
        (at) => toX(bins.from + at * bins.size, view, box.width),
        (at) => [toY(below[at] ?? 0, box, [0, 1]), toY((below[at] ?? 0) + share(at), box, [0, 1])],
      )
    }
    for (let bin = 0; bin < bins.count; bin++) below[bin]! += share(bin)
  }
  context.globalAlpha = 1
  grid(context, scale, true)
}

/** Neutral is where nothing stands out: it doesn't either. */
export const QUIETLY = 0.45

/** One layer over the bins from `first` to before `end`, through their middles and flat at both ends. */
function area(
  context: CanvasRenderingContext2D,
  first: number,
  end: number,
  x: (at: number) => number,
  y: (at: number) => [number, number],
): void {
  const xs: number[] = []
  const ys: [number, number][] = []
  for (let bin = first; bin < end; bin++) {
    xs.push(x(bin + 0.5))
    ys.push(y(bin))
  }
  const [start, last] = [ys[0], ys.at(-1)]
  if (!start || !last) return
  xs.unshift(x(first))
  ys.unshift(start)
  xs.push(x(end))
  ys.push(last)
  if (!ys.some(([foot, top]) => Math.abs(foot - top) > 0.05)) return
  context.beginPath()
  for (const [index, at] of xs.entries()) context.lineTo(at, ys[index]?.[1] ?? 0)
  for (let index = xs.length - 1; index >= 0; index--) context.lineTo(xs[index] ?? 0, ys[index]?.[0] ?? 0)
  context.fill()
}

const QUIET = new Set(['other', 'unknown', 'neutral'])

/** The places of a series from the foot of a stack to its top. */
export function order(series: Series, bins: Bins): number[] {
  const seconds = series.lines.map((_, place) => {
    let sum = 0
    for (let bin = 0; bin < bins.count; bin++) sum += bins.led[bin * bins.lines + place] ?? 0
    return sum
  })
  const rank = (place: number): number =>
    QUIET.has(series.lines[place]?.name.toLowerCase() ?? '') ? -1 : (seconds[place] ?? 0)
  return series.lines
    .map((_, place) => place)
    .sort(
      (a, b) =>
        rank(b) - rank(a) ||
        (series.lines[a]?.name === 'neutral' ? 1 : series.lines[b]?.name === 'neutral' ? -1 : 0),
    )
}

export const PIN = 9 // radius

/** A pin on each peak: its emoji, or its colour, in a drop that points at its moment. */
export function pins(
  context: CanvasRenderingContext2D,
  {
    view,
    width,
    tip,
    up,
    peaks,
    series,
    look,
    emoji,
  }: {
    readonly view: View
    readonly width: number
    readonly tip: number // where they point
    readonly up: boolean
    readonly peaks: readonly Peak[]
    readonly series: Series
    readonly look: Look
    readonly emoji: string // the font
  },
): void {
  const font = context.font
  for (const { time, place } of peaks) {
    const line = series.lines[place]
    const x = toX(time, view, width)
    if (!line || x < -PIN || x > width + PIN) continue
    const middle = tip + (up ? -1 : 1) * (PIN + 4)
    context.fillStyle = line.colour
    context.beginPath()
    context.moveTo(x - 4, middle + (up ? 7 : -7))
    context.lineTo(x + 4, middle + (up ? 7 : -7))
    context.lineTo(x, tip)
    context.fill()
    context.beginPath()
    context.arc(x, middle, PIN, 0, 2 * Math.PI)
    context.fill()
    context.fillStyle = look.surface
    context.beginPath()
    context.arc(x, middle, PIN - 1.75, 0, 2 * Math.PI)
    context.fill()
    if (line.emoji) {
      context.font = emoji
      context.fillStyle = look.ink
      context.fillText(line.emoji, x - context.measureText(line.emoji).width / 2, middle + 0.5)
    } else {
      context.fillStyle = line.colour
      context.beginPath()
      context.arc(x, middle, 4, 0, 2 * Math.PI)
      context.fill()
    }
    context.font = font
  }
}
