/** Paints a series over time: the nine and values as lines, a model's own classes as bands. */
import type { Line, Series } from '../lib/readouts'

export interface Painting {
  readonly series: Series
  readonly hidden: ReadonlySet<string>
  readonly look: { readonly surface: string; readonly ink: string; readonly faint: string; readonly line: string }
  readonly box: { readonly width: number; readonly top: number; readonly bottom: number }
  readonly extent: readonly [number, number] // what the box shows, from its bottom to its top
  /** Of a line, from left to right; null: nothing counts there. */
  readonly points: (line: Line) => Iterable<{ x: number; value: number | null }>
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

export function paint(context: CanvasRenderingContext2D, painting: Painting): void {
  if (painting.series.name !== null && !painting.series.values) return bands(context, painting)
  grid(context, painting)
  lines(context, painting)
}

function toY(value: number, { box, extent: [low, high] }: Painting): number {
  return box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top)
}

function grid(context: CanvasRenderingContext2D, painting: Painting): void {
  const { series, box, look, extent } = painting
  const [low, high] = series.range ?? extent
  context.strokeStyle = look.line
  context.fillStyle = look.faint
  context.lineWidth = 1
  context.beginPath()
  const middle = (low + high) / 2
  const room = toY(low, painting) - toY(high, painting) > 60
  for (const mark of room ? [low, middle, high] : [low, high]) {
    const y = Math.round(toY(mark, painting)) + 0.5
    context.moveTo(0, y)
    context.lineTo(box.width, y)
    const text = series.values ? String(Number(mark.toFixed(2))).replace('-', '−') : mark && `${mark * 100} %`
    if (text) context.fillText(text, 4, mark === low ? y - 8 : y + 9)
  }
  context.stroke()
}

function lines(context: CanvasRenderingContext2D, painting: Painting): void {
  const { series, hidden, box, points } = painting
  const ends: { y: number; text: string }[] = []
  context.save()
  context.beginPath()
  context.rect(0, box.top - 3, box.width, box.bottom - box.top + 6)
  context.clip()
  context.lineJoin = 'round'
  for (const line of series.lines) {
    if (hidden.has(line.name)) continue
    context.strokeStyle = line.colour
    context.lineWidth = 1.75
    context.setLineDash([...line.dashes])
    context.beginPath()
    let begun = false
    let last: number | null = null
    for (const { x, value } of points(line)) {
      if (value === null) {
        begun = false
        continue
      }
      const y = toY(value, painting)
      if (begun) context.lineTo(x, y)
      else context.moveTo(x, y)
      begun = true
      if (x <= box.width) last = value
    }
    context.stroke()
    if (last !== null && (series.values || last >= 0.15)) ends.push({ y: toY(last, painting), text: line.label })
  }
  context.restore()
  context.setLineDash([])
  for (const { y, text } of spread(ends, 15, box.top + 4)) {
    name(context, painting, text, box.width - context.measureText(text).width - 10, y)
  }
}

/** Each class in a band of its own, as high as its score. */
function bands(context: CanvasRenderingContext2D, painting: Painting): void {
  const { series, hidden, look, box, points } = painting
  const shown = series.lines.filter((line) => !hidden.has(line.name))
  const height = (box.bottom - box.top) / Math.max(1, shown.length)
  for (const [index, line] of shown.entries()) {
    const foot = Math.round(box.top + (index + 1) * height) - 0.5
    const room = height - 4
    context.fillStyle = line.colour
    context.strokeStyle = line.colour
    context.lineWidth = 1.25
    let path: [number, number][] = []
    const flush = (): void => {
      const [first, last] = [path[0], path.at(-1)]
      if (first && last) {
        context.beginPath()
        context.moveTo(first[0], foot)
        for (const [x, y] of path) context.lineTo(x, y)
        context.lineTo(last[0], foot)
        context.globalAlpha = 0.55
        context.fill()
        context.globalAlpha = 1
        context.beginPath()
        for (const [x, y] of path) context.lineTo(x, y)
        context.stroke()
      }
      path = []
    }
    for (const { x, value } of points(line)) {
      if (value === null) flush()
      else path.push([x, foot - value * room])
    }
    flush()
    context.strokeStyle = look.line
    context.lineWidth = 1
    context.beginPath()
    context.moveTo(0, foot)
    context.lineTo(box.width, foot)
    context.stroke()
  }
  for (const [index, line] of shown.entries())
    name(context, painting, line.label, 2, box.top + index * height + 11)
}

function name(context: CanvasRenderingContext2D, { look }: Painting, text: string, left: number, y: number): void {
  context.globalAlpha = 0.82
  context.fillStyle = look.surface
  context.fillRect(left, y - 8, context.measureText(text).width + 8, 16)
  context.globalAlpha = 1
  context.fillStyle = look.ink
  context.fillText(text, left + 4, y)
}

/** Labels that don't cover each other, from the top. */
function spread<T extends { y: number }>(labels: readonly T[], room: number, top: number): T[] {
  let least = top
  return [...labels]
    .sort((a, b) => a.y - b.y)
    .map((label) => {
      const y = Math.max(label.y, least)
      least = y + room
      return { ...label, y }
    })
}
