/** Draws a timeline: axis, segments, waveform, curves. Everything in CSS pixels. */
import type { Emotion, Segment } from '../api/types'
import { ink } from '../lib/colours'
import { clock, percent } from '../lib/format'
import { DASHES } from '../lib/patterns'
import { type Piece, upperBound } from './data.svelte'
import { ticks, toX, type View } from './view'

export interface Look {
  readonly surface: string
  readonly ink: string
  readonly faint: string
  readonly line: string
  readonly wave: string
  /** In the order of all scores: name, label, emoji, and the colour on this surface. */
  readonly emotions: readonly { name: Emotion; label: string; emoji: string; colour: string }[]
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

/** Where things are, for a width; without curves there is more room for the waveform. */
export function layout(width: number, curves: boolean): Layout {
  const small = width < 520
  const wave = curves ? (small ? 84 : 116) : small ? 130 : 170
  const top = 24 + 34 + 8
  const height = top + wave + (curves ? 12 + (small ? 150 : 196) + 8 : 8)
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
  readonly hidden: ReadonlySet<Emotion>
  readonly chosen: number | null // the index of a segment
  readonly hasCurves: boolean
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
  if (scene.hasCurves) {
    grid(context, scene)
    curves(context, scene)
  }
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
  const { view, place, look, segments, chosen } = scene
  const colours = new Map(look.emotions.map((emotion) => [emotion.name, emotion]))
  for (const [index, segment] of segments.entries()) {
    if (segment.end < view.start) continue
    if (segment.start > view.end) break
    const emotion = colours.get(segment.emotion)
    if (!emotion) continue
    const left = Math.max(-4, toX(segment.start, view, place.width))
    const right = Math.min(place.width + 4, toX(segment.end, view, place.width))
    const width = Math.max(1, right - left - 1)
    context.globalAlpha = index === chosen ? 0.26 : 0.11
    context.fillStyle = emotion.colour
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
    label(context, emotion, segment.confidence, left, width, place.segments + LANE / 2 + 0.5)
  }
}

function label(
  context: CanvasRenderingContext2D,
  emotion: Look['emotions'][number],
  confidence: number,
  left: number,
  width: number,
  y: number,
): void {
  if (width < 16) return
  const room = width - 10
  context.font = EMOJI
  const picture = context.measureText(emotion.emoji).width
  const small = picture > room
  context.fillStyle = ink(emotion.colour)
  if (picture <= width) context.fillText(emotion.emoji, Math.max(left, 0) + (small ? (width - picture) / 2 : 5), y)
  context.font = FONT
  if (small) return
  const candidates = [`${emotion.label} ${percent(confidence)}`, emotion.label]
  const text = candidates.find((candidate) => context.measureText(candidate).width <= room - picture - 8)
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

function grid(context: CanvasRenderingContext2D, { place, look }: Scene): void {
  context.strokeStyle = look.line
  context.fillStyle = look.faint
  context.lineWidth = 1
  context.beginPath()
  for (const share of [0, 0.5, 1]) {
    const y = Math.round(curveY(share, place)) + 0.5
    context.moveTo(0, y)
    context.lineTo(place.width, y)
    if (share) context.fillText(`${share * 100} %`, 4, y + 9)
  }
  context.stroke()
}

function curveY(share: number, place: Layout): number {
  return place.bottom - share * (place.bottom - place.curves)
}

function curves(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, place, look, pieces, hidden } = scene
  const ends: { y: number; text: string; colour: string }[] = []
  context.save()
  context.beginPath()
  context.rect(0, place.curves - 3, place.width, place.bottom - place.curves + 6)
  context.clip()
  context.lineJoin = 'round'
  for (const [order, emotion] of look.emotions.entries()) {
    if (hidden.has(emotion.name)) continue
    context.strokeStyle = emotion.colour
    context.lineWidth = 1.75
    context.setLineDash([...(DASHES[order] ?? [])])
    context.beginPath()
    let begun = false
    let last = 0
    for (const { time, value } of points(pieces, emotion.name, view, binOf(view, place.width))) {
      const [x, y] = [toX(time, view, place.width), curveY(value, place)]
      if (begun) context.lineTo(x, y)
      else context.moveTo(x, y)
      begun = true
      if (time <= view.end) last = value
    }
    context.stroke()
    if (last >= 0.15) ends.push({ y: curveY(last, place), text: emotion.label, colour: emotion.colour })
  }
  context.restore()
  context.setLineDash([])
  for (const { y, text } of spread(ends, 15, place)) {
    const width = context.measureText(text).width + 8
    context.globalAlpha = 0.82
    context.fillStyle = look.surface
    context.fillRect(place.width - width - 2, y - 8, width, 16)
    context.globalAlpha = 1
    context.fillStyle = look.ink
    context.fillText(text, place.width - width + 2, y)
  }
}

/** Means of a curve in bins, from just before the view to just after it. */
export function* points(
  pieces: readonly Piece[],
  name: Emotion,
  view: View,
  bin: number,
): Generator<{ time: number; value: number }> {
  let [current, count, times_, values_] = [Number.NaN, 0, 0, 0]
  for (const { from, to, data } of pieces) {
    const { times, scores } = data.curve ?? { times: [], scores: {} }
    const values = scores[name] ?? []
    const first = upperBound(times, Math.max(from, view.start - 2 * bin)) - 2
    for (let index = Math.max(0, first); index < times.length; index++) {
      const time = times[index] ?? 0
      if (time < from && from > data.start) continue
      if (time >= to && to < data.end) break
      const own = Math.floor(time / bin)
      if (own !== current && count) {
        yield { time: times_ / count, value: values_ / count }
        if (times_ / count > view.end) return
        ;[count, times_, values_] = [0, 0, 0]
      }
      current = own
      ;[count, times_, values_] = [count + 1, times_ + time, values_ + (values[index] ?? 0)]
    }
  }
  if (count) yield { time: times_ / count, value: values_ / count }
}

const CALM = 300 // seconds

/** Seconds of a curve that are drawn as one point, some pixels wide; the same wherever the view is moved to. */
export function binOf(view: View, width: number): number {
  const length = view.end - view.start
  const pixels = length > CALM ? 4 : 1 // hours of moods that change by the second would be a tangle
  return 2 ** Math.ceil(Math.log2((length / width) * pixels))
}

/** Labels that don't cover each other, from the top. */
function spread<T extends { y: number }>(labels: readonly T[], room: number, place: Layout): T[] {
  let least = place.curves + 4
  return [...labels]
    .sort((a, b) => a.y - b.y)
    .map((label) => {
      const y = Math.max(label.y, least)
      least = y + room
      return { ...label, y }
    })
}
