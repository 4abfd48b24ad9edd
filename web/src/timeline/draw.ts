/** Draws a timeline: axis, segments or what leads, waveform, curves or shares. Everything in CSS pixels. */
import type { Segment } from '../api/types'
import type { Cue } from '../lib/captions'
import { clock, percent } from '../lib/format'
import { fill } from '../lib/patterns'
import { numbersOf, type Series } from '../lib/readouts'
import { columnsOf, type Piece } from './data.svelte'
import { headline } from './headline'
import {
  binned,
  calmed,
  exactRuns,
  firstAfter,
  type Peak,
  peaks,
  type Run,
  runs,
  sampled,
  segmentMeans,
  type Stretch,
} from './leads'
import { type Layout, type Rows, WORDS } from './layout'
import { type Box, extent, type Look, paint } from './paint'
import { PIN, pins, shares } from './shares'
import { EMOJI, FONT, shortened, write } from './text'
import { ticks, toX, type View } from './view'
import { waveform } from './wave'

/** What is drawn of a recording, or of one side of a call. */
export interface SideScene {
  readonly pieces: readonly Piece[]
  readonly whole: Piece | null // all of it
  readonly segments: readonly Segment[]
  readonly stretches: readonly Stretch[]
  readonly peaks: readonly Peak[] // that the summary names: they have pins at any scale
  readonly chosen: number | null // the index of a segment
  readonly peak: number // of all of the sound, which fills the waveform's box
}

export interface Scene {
  readonly view: View
  readonly place: Layout
  readonly look: Look
  readonly series: Series | null // whose curves and verdicts are drawn; null: none
  readonly hidden: ReadonlySet<string>
  readonly cues: readonly Cue[] | null // words, by time
  readonly sides: readonly SideScene[]
}

/** Seconds of a pixel from which on single segments would be a barcode, and from which on curves would be a tangle. */
const CLOSE = 0.12
const FAR = 3

/** Whether shares of speech are drawn instead of curves. */
export function isFar(view: View, width: number, series: Series | null): boolean {
  return !!series && !series.values && (view.end - view.start) / width > FAR
}

export function draw(context: CanvasRenderingContext2D, scene: Scene): void {
  const { place } = scene
  context.clearRect(0, 0, place.width, place.height)
  context.font = `12px ${FONT}`
  context.textBaseline = 'middle'
  axis(context, scene)
  if (scene.cues) spokenWords(context, scene, scene.cues)
  for (const [index, side] of scene.sides.entries()) {
    const rows = place.sides[index]
    if (rows) drawSide(context, scene, side, rows)
  }
}

function axis(context: CanvasRenderingContext2D, { view, place, look }: Scene): void {
  const { step, times } = ticks(view, place.width)
  const { times: minor } = ticks(view, place.width, 80 / 5.5)
  const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2
  const base = place.axis - 0.5
  context.strokeStyle = look.line
  context.fillStyle = look.faint
  context.lineWidth = 1
  context.beginPath()
  for (const time of times) {
    const x = Math.round(toX(time, view, place.width)) + 0.5
    context.moveTo(x, place.axis)
    context.lineTo(x, place.bottom)
  }
  context.stroke()
  context.strokeStyle = look.faint
  context.beginPath()
  context.moveTo(0, base)
  context.lineTo(place.width, base)
  for (const [marks, length] of [
    [minor, 3],
    [times, 7],
  ] as const) {
    for (const time of marks) {
      const x = Math.round(toX(time, view, place.width)) + 0.5
      context.moveTo(x, base - length)
      context.lineTo(x, base)
    }
  }
  context.stroke()
  for (const time of times) {
    const text = clock(time, digits)
    const [x, width] = [toX(time, view, place.width), context.measureText(text).width]
    context.fillText(text, Math.min(Math.max(1, x - width / 2), place.width - width - 1), 8)
  }
}

/** Words in the lane below the axis, each where it is said, as far as there is room. */
function spokenWords(context: CanvasRenderingContext2D, { view, place, look }: Scene, cues: readonly Cue[]): void {
  const middle = place.words + WORDS / 2 + 1
  for (let index = firstAfter(cues, view.start); index < cues.length; index++) {
    const { start, end, text } = cues[index] as Cue
    if (start > view.end) break
    const left = Math.max(0, toX(start, view, place.width))
    const right = Math.min(place.width, toX(end, view, place.width))
    context.fillStyle = look.line
    context.beginPath()
    context.roundRect(left, place.words + 3, Math.max(1, right - left - 1), WORDS - 5, 4)
    context.fill()
    const room = right - left - 8
    if (room < 14) continue
    context.fillStyle = look.ink
    context.fillText(shortened(context, text, room), left + 4, middle)
  }
}

function drawSide(context: CanvasRenderingContext2D, scene: Scene, side: SideScene, rows: Rows): void {
  const { view, place, look, series, hidden } = scene
  const seconds = (view.end - view.start) / place.width // of a pixel
  const lines = series?.lines.length ?? 0
  const far = isFar(view, place.width, series)
  const close = seconds < CLOSE
  const led = close
    ? exactRuns(side.stretches, view)
    : runs(calmed(binned(side.stretches, lines, view, binOf(view, place.width)), 1))
  const chosen = side.chosen === null ? undefined : side.segments[side.chosen]
  if (chosen) highlight(context, scene, chosen, rows)
  if (far && series) {
    const { top, height } = rows.lane
    const mirrored = rows.wave.up === 0
    ribbon(context, scene, led, mirrored ? top : top + height - RIBBON, RIBBON)
    pins(context, {
      view,
      width: place.width,
      tip: mirrored ? top + RIBBON + 1 : top + height - RIBBON - 1,
      up: !mirrored,
      peaks: peaksOf(side, series, place.width, view),
      series,
      look,
      emoji: `11px ${EMOJI}`,
    })
  } else if (close) blocks(context, scene, side, rows)
  else ribbon(context, scene, led, rows.lane.top + 2, rows.lane.height - 4)
  waveform(context, { view, look, box: rows.wave, pieces: side.pieces, series, runs: led, peak: side.peak })
  if (!series || !rows.curves) return
  if (far) {
    const bins = calmed(binned(side.stretches, lines, view, binOf(view, place.width)), 1)
    shares(context, { view, look, box: rows.curves, series, hidden, bins })
  } else curves(context, scene, side, rows.curves, series)
}

const RIBBON = 10

const pinned = new WeakMap<readonly Stretch[], { key: string; peaks: Peak[] }>()

/** The peaks for a scale: more as one zooms. They are the same wherever the view is moved to. */
function peaksOf(
  { stretches, peaks: namedPeaks }: Pick<SideScene, 'stretches' | 'peaks'>,
  series: Series,
  width: number,
  view: View,
): Peak[] {
  const seconds = 2 ** Math.round(Math.log2((view.end - view.start) / width))
  const length = stretches.at(-1)?.end ?? 0
  const key = `${seconds} ${series.name} ${namedPeaks.map(({ time }) => time).join(' ')}`
  let entry = pinned.get(stretches)
  if (entry?.key !== key) {
    const most = Math.min(200, Math.max(3, Math.round(length / seconds / 180)))
    pinned.set(stretches, (entry = { key, peaks: peaks(stretches, series, seconds * 48, most, namedPeaks) }))
  }
  return entry.peaks
}

/** The part of the rows that a chosen segment takes. */
function highlight(
  context: CanvasRenderingContext2D,
  { view, place, look }: Scene,
  segment: Segment,
  rows: Rows,
): void {
  const left = Math.max(-4, toX(segment.start, view, place.width))
  const right = Math.min(place.width + 4, toX(segment.end, view, place.width))
  const ends = [
    rows.lane.top,
    rows.lane.top + rows.lane.height,
    rows.wave.middle - rows.wave.up,
    rows.wave.middle + rows.wave.down,
  ]
  if (rows.curves) ends.push(rows.curves.top, rows.curves.foot)
  const [top, bottom] = [Math.min(...ends), Math.max(...ends)]
  context.globalAlpha = 0.09
  context.fillStyle = look.ink
  context.fillRect(left, top, Math.max(2, right - left), bottom - top)
  context.globalAlpha = 1
}

/** What leads, in one band. */
function ribbon(
  context: CanvasRenderingContext2D,
  { view, place, look, series }: Scene,
  led: readonly Run[],
  top: number,
  height: number,
): void {
  for (const { start, end, place: at, spoken } of led) {
    if (!spoken) continue
    const line = series?.lines[at]
    const left = Math.max(-4, toX(start, view, place.width))
    const right = Math.min(place.width + 4, toX(end, view, place.width))
    if (right <= left) continue
    context.fillStyle = line ? fill(context, line.colour, line.texture) : look.wave
    context.beginPath()
    context.roundRect(left, top, Math.max(1, right - left - 0.5), height, Math.min(3, (right - left) / 2))
    context.fill()
    if (line && height > 20) write(context, [line.label], line, left, right - left, top + height / 2 + 0.5)
  }
}

/** The segments with their words. */
function blocks(
  context: CanvasRenderingContext2D,
  { view, place, look, series }: Scene,
  { segments, chosen }: SideScene,
  { lane }: Rows,
): void {
  const [top, height] = [lane.top + 1, lane.height - 3]
  for (let index = firstAfter(segments, view.start); index < segments.length; index++) {
    const segment = segments[index] as Segment
    if (segment.start > view.end) break
    const { line, label, share, brief } = headline(segment, series)
    const left = Math.max(-8, toX(segment.start, view, place.width))
    const right = Math.min(place.width + 8, toX(segment.end, view, place.width))
    const width = Math.max(1, right - left - 1)
    context.fillStyle = line ? fill(context, line.colour, line.texture) : look.wave
    context.beginPath()
    context.roundRect(left, top, width, height, Math.min(6, width / 2))
    context.fill()
    if (index === chosen) {
      context.strokeStyle = look.ink
      context.lineWidth = 2
      context.stroke()
    }
    const texts = share === null ? [label, brief] : [`${label} ${percent(share, 0)}`, brief]
    write(
      context,
      texts,
      line ?? { colour: look.wave, texture: '', emoji: '' },
      left,
      width,
      top + height / 2 + 0.5,
    )
  }
}

function curves(context: CanvasRenderingContext2D, scene: Scene, side: SideScene, box: Box, series: Series): void {
  const { view, place, look, hidden } = scene
  const bin = binOf(view, place.width)
  const names = series.lines.map(({ name }) => name)
  // Where pauses are narrower than a few pixels, what segments are is clearer than the curve, and the same.
  const far =
    (view.end - view.start) / place.width > CLOSE && side.segments.some((one) => numbersOf(one, series.name))
  const { times, values } = far
    ? segmentMeans(side.segments, series, view, bin)
    : sampled(side.pieces, series.name, names, view, bin)
  const speech = !far && side.segments.length ? speechAt(times, side.stretches, Math.max(bin, 0.1)) : null
  paint(context, {
    series,
    hidden,
    look,
    box,
    extent: extent(series, Object.values(columnsOf(side.whole?.data.curve, series.name))),
    xs: times.map((time) => toX(time, view, place.width)),
    values,
    ...(speech && { spoken: (index) => speech[index] === 1 }),
  })
}

/** Whether a good part of the time around each moment is spoken. */
function speechAt(times: readonly number[], stretches: readonly Stretch[], around: number): Uint8Array {
  const found = new Uint8Array(times.length)
  for (const [index, time] of times.entries()) {
    const [from, to] = [time - around / 2, time + around / 2]
    let seconds = 0
    for (let at = firstAfter(stretches, from); at < stretches.length; at++) {
      const { start, end } = stretches[at] as Stretch
      if (start >= to) break
      seconds += Math.min(end, to) - Math.max(start, from)
    }
    found[index] = seconds > 0.15 * around ? 1 : 0
  }
  return found
}

/** Seconds of a curve that are drawn as one point, some pixels wide; the same wherever the view is moved to. */
export function binOf(view: View, width: number): number {
  const seconds = (view.end - view.start) / width
  const pixels = seconds > CLOSE ? 6 : 2 // moods that change by the second would be a tangle
  return 2 ** Math.ceil(Math.log2(seconds * pixels))
}

/** The peak whose pin is at a place, if there is one. */
export function pinAt(
  x: number,
  y: number,
  scene: Pick<Scene, 'view' | 'place' | 'series'>,
  side: Pick<SideScene, 'stretches' | 'peaks'>,
  rows: Rows,
): Peak | null {
  const { view, place, series } = scene
  if (!series || !isFar(view, place.width, series) || y < rows.lane.top || y > rows.lane.top + rows.lane.height)
    return null
  const pins = peaksOf(side, series, place.width, view)
  return pins.find(({ time }) => Math.abs(toX(time, view, place.width) - x) <= PIN) ?? null
}
