/** Draws a timeline: axis, segments, waveform, curves. Everything in CSS pixels. */
import type { Segment } from '../api/types'
import { ink } from '../lib/colours'
import { clock, decimal, percent } from '../lib/format'
import { type Leader, leader, type Line, type Series } from '../lib/readouts'
import { columnsOf, type Piece, upperBound } from './data.svelte'
import { extent, paint } from './paint'
import { ticks, toX, type View } from './view'

export interface Look {
  readonly surface: string
  readonly ink: string
  readonly faint: string
  readonly line: string
  readonly wave: string
}

export interface Layout {
  readonly width: number
  readonly height: number
  readonly axis: number // height of the axis, from the top
  readonly segments: number // top of their lane
  readonly wave: number // top of the waveform
  readonly curves: number // top of the curves
  readonly bottom: number
}

const BAND = 24 // height that a class needs

/** Where things are, for a width; without curves (null) there is more room for the waveform. */
export function layout(width: number, series: Series | null): Layout {
  const small = width < 520
  const wave = series ? (small ? 84 : 116) : small ? 130 : 170
  const top = 24 + 34 + 8
  const bands = series?.name && !series.values ? BAND * series.lines.length : 0
  const height = top + wave + (series ? 12 + Math.max(small ? 150 : 196, bands) + 8 : 8)
  return { width, height, axis: 24, segments: 26, wave: top, curves: top + wave + 12, bottom: height - 8 }
}

export const LANE = 32 // height of the segments' lane

const EMOJI = '14px "Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji", system-ui, sans-serif'
const FONT = '12px system-ui, -apple-system, "Segoe UI", "Noto Sans CJK SC", "PingFang SC", sans-serif'

interface Scene {
  readonly view: View
  readonly place: Layout
  readonly look: Look
  readonly pieces: readonly Piece[]
  readonly segments: readonly Segment[]
  readonly series: Series | null // whose curves and verdicts are drawn; null: none
  readonly hidden: ReadonlySet<string>
  readonly chosen: number | null // the index of a segment
  readonly hasCurves: boolean
  readonly whole: Piece | null // all of the recording
  readonly peak: number // of all of the recording, which fills the lane
}

export function draw(context: CanvasRenderingContext2D, scene: Scene): void {
  const { place, look } = scene
  context.clearRect(0, 0, place.width, place.height)
  context.font = FONT
  context.textBaseline = 'middle'
  axis(context, scene)
  regions(context, scene)
  waveform(context, scene)
  if (scene.hasCurves && scene.series) curves(context, scene, scene.series)
  context.fillStyle = look.ink
}

function axis(context: CanvasRenderingContext2D, { view, place, look }: Scene): void {
  const { step, times } = ticks(view, place.width)
  const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2
  context.strokeStyle = look.line
  context.fillStyle = look.faint
  context.lineWidth = 1
  context.beginPath()
  for (const time of times) {
    const x = Math.round(toX(time, view, place.width)) + 0.5
    context.moveTo(x, place.axis - 6)
    context.lineTo(x, place.bottom)
    if (x > place.width - 44) continue
    context.fillText(clock(time, digits), x + 4, place.axis / 2)
  }
  context.stroke()
}

function regions(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, place, look, segments, series, chosen } = scene
  for (const [index, segment] of segments.entries()) {
    if (segment.end < view.start) continue
    if (segment.start > view.end) break
    const { line, label, share, brief } = headline(segment, series)
    const colour = line?.colour ?? look.wave
    const left = Math.max(-4, toX(segment.start, view, place.width))
    const right = Math.min(place.width + 4, toX(segment.end, view, place.width))
    const width = Math.max(1, right - left - 1)
    context.globalAlpha = index === chosen ? 0.26 : 0.11
    context.fillStyle = colour
    context.fillRect(left, place.segments, width, place.bottom - place.segments)
    context.globalAlpha = 1
    if (width < 4 && index !== chosen) {
      context.fillRect(left, place.segments, width, LANE)
      continue
    }
    context.beginPath()
    context.roundRect(left, place.segments, width, LANE, Math.min(6, width / 2))
    context.fill()
    if (index === chosen) {
      context.strokeStyle = look.ink
      context.lineWidth = 2
      context.stroke()
    }
    const texts = share === null ? [label, brief] : [`${label} ${percent(share)}`, brief]
    write(context, texts, line?.emoji ?? '', ink(colour), left, width, place.segments + LANE / 2 + 0.5)
  }
}

interface Headline extends Leader {
  readonly line: Line | null // that leads
  readonly brief: string // for less room: the label alone, or values without their names
}

/** What a segment is, in the words of a series. */
export function headline(segment: Segment, series: Series | null): Headline {
  const readout = series?.name == null ? null : segment.readouts?.[series.name]
  if (readout?.values) {
    return { line: null, brief: Object.values(readout.values).map(decimal).join(' · '), ...leader(readout) }
  }
  const name = series?.name == null ? segment.emotion : readout?.label
  const line = series?.lines.find((line) => line.name === name) ?? null
  const share = (series?.name == null ? segment.confidence : readout?.confidence) ?? null
  return { line, label: line?.label ?? '', share: line && share, brief: line?.label ?? '' }
}

/** Write the first of some texts that there is room for, behind an emoji. */
function write(
  context: CanvasRenderingContext2D,
  texts: readonly string[],
  emoji: string,
  colour: string,
  left: number,
  width: number,
  y: number,
): void {
  if (width < 16) return
  const room = width - 10
  context.font = EMOJI
  const picture = emoji ? context.measureText(emoji).width : -8
  const small = picture > room
  context.fillStyle = colour
  if (picture <= width) context.fillText(emoji, Math.max(left, 0) + (small ? (width - picture) / 2 : 5), y)
  context.font = FONT
  if (small) return
  const text = texts.find((candidate) => context.measureText(candidate).width <= room - picture - 8)
  if (text) context.fillText(text, Math.max(left, 0) + picture + 10, y)
}

function waveform(context: CanvasRenderingContext2D, { view, place, look, pieces, hasCurves, peak }: Scene): void {
  const bottom = hasCurves ? place.curves - 12 : place.bottom
  const middle = (place.wave + bottom) / 2
  const half = (bottom - place.wave) / 2 / peak
  context.strokeStyle = look.line
  context.lineWidth = 1
  context.beginPath()
  context.moveTo(0, Math.round(middle) + 0.5)
  context.lineTo(place.width, Math.round(middle) + 0.5)
  context.stroke()
  context.fillStyle = look.wave
  for (const { from, to, data } of pieces) {
    const count = data.low.length
    if (!count) continue
    const size = (data.end - data.start) / count
    const first = Math.max(0, Math.floor((Math.max(from, view.start) - data.start) / size) - 1)
    const last = Math.min(count - 1, Math.ceil((Math.min(to, view.end) - data.start) / size) + 1)
    const clipped = from > data.start || to < data.end
    if (clipped) {
      context.save()
      context.beginPath()
      const left = toX(from, view, place.width)
      context.rect(left, place.wave, toX(to, view, place.width) - left, bottom - place.wave)
      context.clip()
    }
    context.beginPath()
    const wide = toX(data.start + size, view, place.width) - toX(data.start, view, place.width)
    for (let index = first; index <= last; index++) {
      const x = toX(data.start + index * size, view, place.width)
      const high = middle - (data.high[index] ?? 0) * half
      const low = middle - (data.low[index] ?? 0) * half
      context.rect(x, high - 0.5, Math.max(wide, 0.75), Math.max(1, low - high + 1))
    }
    context.fill()
    if (clipped) context.restore()
  }
}

function curves(context: CanvasRenderingContext2D, scene: Scene, series: Series): void {
  const { view, place, look, pieces, hidden, whole } = scene
  const bin = binOf(view, place.width)
  const columns = Object.values(columnsOf(whole?.data.curve, series.name))
  paint(context, {
    series,
    hidden,
    look,
    box: { width: place.width, top: place.curves, bottom: place.bottom },
    extent: extent(series, columns),
    *points(line) {
      for (const { time, value } of points(pieces, series.name, line.name, view, bin)) {
        yield { x: toX(time, view, place.width), value }
      }
    },
  })
}

/** Means of a curve in bins, from just before the view to just after it; null: nothing counts there. */
export function* points(
  pieces: readonly Piece[],
  series: string | null,
  name: string,
  view: View,
  bin: number,
): Generator<{ time: number; value: number | null }> {
  let [current, count, times_, known, values_] = [Number.NaN, 0, 0, 0, 0]
  for (const { from, to, data } of pieces) {
    const times = data.curve?.times ?? []
    const values = columnsOf(data.curve, series)[name] ?? []
    const first = upperBound(times, Math.max(from, view.start - 2 * bin)) - 2
    for (let index = Math.max(0, first); index < times.length; index++) {
      const time = times[index] ?? 0
      if (time < from && from > data.start) continue
      if (time >= to && to < data.end) break
      const own = Math.floor(time / bin)
      if (own !== current && count) {
        yield { time: times_ / count, value: known ? values_ / known : null }
        if (times_ / count > view.end) return
        ;[count, times_, known, values_] = [0, 0, 0, 0]
      }
      current = own
      const value = values[index] ?? null
      ;[count, times_] = [count + 1, times_ + time]
      if (value !== null) [known, values_] = [known + 1, values_ + value]
    }
  }
  if (count) yield { time: times_ / count, value: known ? values_ / known : null }
}

const CALM = 300 // seconds

/** Seconds of a curve that are drawn as one point, some pixels wide; the same wherever the view is moved to. */
export function binOf(view: View, width: number): number {
  const length = view.end - view.start
  const pixels = length > CALM ? 4 : 1 // hours of moods that change by the second would be a tangle
  return 2 ** Math.ceil(Math.log2((length / width) * pixels))
}
