/** Paints a series over time: classes as lines with the leader's area below, or as bands if they are many; values. */
import { OWN } from '../lib/palette'
import { fill } from '../lib/patterns'
import type { Line, Series } from '../lib/readouts'

export interface Look {
  readonly surface: string
  readonly ink: string
  readonly faint: string
  readonly line: string
  readonly wave: string
}

/** Where curves are: what is low lies at `foot`, what is high at `top`, which may be below it. */
export interface Box {
  readonly width: number
  readonly top: number
  readonly foot: number
}

export interface Painting {
  readonly series: Series
  readonly hidden: ReadonlySet<string>
  readonly look: Look
  readonly box: Box
  readonly extent: readonly [number, number] // what the box shows, from its foot to its top
  readonly xs: readonly number[] // from left to right
  readonly values: readonly (readonly number[])[] // of each line at each x; NaN: nothing counts there
  /** Whether somebody speaks at an x: what a model makes of silence is pale. */
  readonly spoken?: (index: number) => boolean
}

/** From lowest to highest: the range of a series, and what lies outside. */
export function extent(series: Series, columns: Iterable<readonly (number | null)[]>): [number, number] {
  if (!series.values) return [0, 1]
  let [low, high] = series.range ?? [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const column of columns) {
    for (const value of column) {
      if (value !== null) [low, high] = [Math.min(low, value), Math.max(high, value)]
    }
  }
  return low < high ? [low, high] : Number.isFinite(low) ? [low - 0.5, low + 0.5] : [0, 1]
}

/** Whether each class has a band of its own: more than have colours of their own would be a tangle. */
export function inBands(series: Series): boolean {
  return series.name !== null && !series.values && series.lines.length > OWN.length
}

export function paint(context: CanvasRenderingContext2D, painting: Painting): void {
  if (inBands(painting.series)) return bands(context, painting)
  grid(context, painting, false)
  context.save()
  context.beginPath()
  const { box } = painting
  const [upper, lower] = [Math.min(box.top, box.foot), Math.max(box.top, box.foot)]
  context.rect(0, upper - 3, box.width, lower - upper + 6)
  context.clip()
  context.lineJoin = 'round'
  const leaders = painting.series.values ? null : leading(painting)
  if (leaders) areas(context, painting, leaders)
  lines(context, painting, leaders)
  context.restore()
  grid(context, painting, true)
  ends(context, painting)
}

export function toY(value: number, box: Box, [low, high]: readonly [number, number]): number {
  return box.foot + ((value - low) / (high - low)) * (box.top - box.foot)
}

/** The lines of the scale, or its numbers, which lie above what is drawn. */
export function grid(
  context: CanvasRenderingContext2D,
  { series, box, look, extent }: Pick<Painting, 'series' | 'box' | 'look' | 'extent'>,
  numbers: boolean,
): void {
  const [low, high] = series.range ?? extent
  const down = box.top > box.foot
  const room = Math.abs(box.top - box.foot) > 60
  const marks = room ? [low, (low + high) / 2, high] : [low, high]
  if (!numbers) {
    context.strokeStyle = look.line
    context.lineWidth = 1
    context.beginPath()
    for (const mark of marks) {
      const y = Math.round(toY(mark, box, extent)) + 0.5
      context.moveTo(0, y)
      context.lineTo(box.width, y)
    }
    return context.stroke()
  }
  for (const mark of marks) {
    const text = series.values ? String(Number(mark.toFixed(2))).replace('-', '−') : mark && `${mark * 100} %`
    if (!text) continue
    const inwards = mark === low ? -9 : mark === high ? 9 : 0
    const y = toY(mark, box, extent) + (down ? -inwards : inwards)
    context.fillStyle = look.surface
    context.globalAlpha = 0.75
    context.beginPath()
    context.roundRect(2, y - 8, context.measureText(text).width + 6, 16, 4)
    context.fill()
    context.globalAlpha = 1
    context.fillStyle = look.faint
    context.fillText(text, 5, y + 0.5)
  }
}

/** Which line is highest at each x; -1: none, or nobody speaks. */
function leading({ series, hidden, xs, values, spoken }: Painting): Int16Array {
  const found = new Int16Array(xs.length).fill(-1)
  const shown = series.lines.flatMap(({ name }, place) => (hidden.has(name) ? [] : [place]))
  for (let index = 0; index < xs.length; index++) {
    if (spoken && !spoken(index)) continue
    let most = 0
    for (const place of shown) {
      const value = values[place]?.[index] ?? 0
      if (value > most) [most, found[index]] = [value, place]
    }
  }
  return found
}

/** The area below the line that leads, in its colour. */
function areas(
  context: CanvasRenderingContext2D,
  { series, box, extent, xs, values }: Painting,
  leaders: Int16Array,
): void {
  const foot = toY(extent[0], box, extent)
  for (let index = 0; index < xs.length;) {
    const place = leaders[index] ?? -1
    const first = index
    while (index < xs.length && leaders[index] === place) index++
    const line = series.lines[place]
    if (!line) continue
    context.beginPath()
    context.moveTo(between(xs, first - 1, first), foot)
    trace(context, xs, values[place] ?? [], first, index, (value) => toY(value, box, extent))
    context.lineTo(between(xs, index - 1, index), foot)
    context.globalAlpha = 0.22
    context.fillStyle = fill(context, line.colour, line.texture)
    context.fill()
    context.globalAlpha = 1
  }
}

/** The middle between two neighbours; at an end the one that there is. */
function between(values: readonly number[], one: number, other: number): number {
  const [a, b] = [values[one] ?? Number.NaN, values[other] ?? Number.NaN]
  return Number.isNaN(a) ? b : Number.isNaN(b) ? a : (a + b) / 2
}

/** A line through the points from `first` to before `end`, and half way to the neighbours of both. */
function trace(
  context: CanvasRenderingContext2D,
  xs: readonly number[],
  column: readonly number[],
  first: number,
  end: number,
  y: (value: number) => number,
): void {
  context.lineTo(between(xs, first - 1, first), y(between(column, first - 1, first)))
  for (let index = first; index < end; index++) context.lineTo(xs[index] ?? 0, y(column[index] ?? 0))
  context.lineTo(between(xs, end - 1, end), y(between(column, end - 1, end)))
}

const LOW = 0.08 // below this a line that doesn't lead is pale

function lines(
  context: CanvasRenderingContext2D,
  { series, hidden, box, extent, xs, values, spoken }: Painting,
  leaders: Int16Array | null,
): void {
  const y = (value: number): number => toY(value, box, extent)
  for (const [place, line] of series.lines.entries()) {
    if (hidden.has(line.name)) continue
    const column = values[place] ?? []
    const known = (index: number): boolean => !Number.isNaN(column[index] ?? Number.NaN)
    const stroke = (alpha: number, width: number, shown: (index: number) => boolean): void => {
      context.globalAlpha = alpha
      context.lineWidth = width
      context.beginPath()
      for (let index = 0; index < xs.length; index++) {
        const first = index
        while (index < xs.length && known(index) && shown(index)) index++
        if (index === first) continue
        context.moveTo(between(xs, first - 1, first), y(between(column, first - 1, first)))
        trace(context, xs, column, first, index, y)
      }
      context.stroke()
    }
    context.strokeStyle = line.colour
    if (spoken) stroke(0.2, 1.25, (index) => !spoken(index))
    if (!leaders) stroke(1, 2, (index) => !spoken || spoken(index))
    else {
      const low = (index: number): boolean => (column[index] ?? 0) < LOW
      stroke(0.3, 1, (index) => (!spoken || spoken(index)) && low(index))
      stroke(0.85, 1.4, (index) => (!spoken || spoken(index)) && !low(index) && leaders[index] !== place)
      stroke(1, 2.5, (index) => leaders[index] === place)
    }
  }
  context.globalAlpha = 1
}

/** The lines' names where they end, if they are there. */
function ends(context: CanvasRenderingContext2D, painting: Painting): void {
  const { series, hidden, box, extent, xs, values } = painting
  let last = xs.length - 1
  while (last > 0 && (xs[last] ?? 0) > box.width) last--
  const labels = series.lines.flatMap((line, place) => {
    const value = values[place]?.[last]
    if (hidden.has(line.name) || value === undefined || Number.isNaN(value)) return []
    return series.values || value >= 0.15 ? [{ line, y: toY(value, box, extent) }] : []
  })
  const [upper, lower] = [Math.min(box.top, box.foot), Math.max(box.top, box.foot)]
  for (const { y, line } of spread(labels, 16, upper + 8, lower - 8)) {
    const width = context.measureText(line.label).width
    name(context, painting, line, box.width - width - 24, y)
  }
}

/** Each class in a band of its own, as high as its score. */
function bands(context: CanvasRenderingContext2D, painting: Painting): void {
  const { series, hidden, look, box, xs, values } = painting
  const shown = [...series.lines.entries()].filter(([, line]) => !hidden.has(line.name))
  const height = (box.foot - box.top) / Math.max(1, shown.length)
  for (const [index, [place, line]] of shown.entries()) {
    const foot = Math.round(box.top + (index + 1) * height) - (height > 0 ? 0.5 : -0.5)
    const room = height - 4 * Math.sign(height)
    const column = values[place] ?? []
    context.fillStyle = fill(context, line.colour, line.texture)
    context.globalAlpha = 0.75
    context.beginPath()
    let open = Number.NaN
    for (let point = 0; point < xs.length; point++) {
      const [x, value] = [xs[point] ?? 0, column[point] ?? Number.NaN]
      if (Number.isNaN(value)) {
        if (!Number.isNaN(open)) context.lineTo(open, foot)
        open = Number.NaN
        continue
      }
      if (Number.isNaN(open)) context.moveTo(x, foot)
      context.lineTo(x, foot - value * room)
      open = x
    }
    if (!Number.isNaN(open)) context.lineTo(open, foot)
    context.fill()
    context.globalAlpha = 1
    context.strokeStyle = look.line
    context.lineWidth = 1
    context.beginPath()
    context.moveTo(0, foot)
    context.lineTo(box.width, foot)
    context.stroke()
  }
  for (const [index, [, line]] of shown.entries())
    name(context, painting, line, 2, box.top + index * height + Math.sign(height) * 11)
}

function name(context: CanvasRenderingContext2D, { look }: Painting, line: Line, left: number, y: number): void {
  context.globalAlpha = 0.85
  context.fillStyle = look.surface
  context.beginPath()
  context.roundRect(left, y - 8, context.measureText(line.label).width + 20, 16, 5)
  context.fill()
  context.globalAlpha = 1
  context.fillStyle = fill(context, line.colour, line.texture)
  context.fillRect(left + 5, y - 4, 8, 8)
  context.fillStyle = look.ink
  context.fillText(line.label, left + 17, y + 0.5)
}

/** Labels that don't cover each other, between two ends. */
function spread<T extends { y: number }>(labels: readonly T[], room: number, top: number, bottom: number): T[] {
  const found = [...labels].sort((a, b) => a.y - b.y)
  let least = top
  const down = found.map((label) => {
    const y = Math.max(label.y, least)
    least = y + room
    return { ...label, y }
  })
  let most = bottom
  for (let index = down.length - 1; index >= 0; index--) {
    const label = down[index] as T
    label.y = Math.min(label.y, most)
    most = label.y - room
  }
  return down
}
