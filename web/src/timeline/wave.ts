/** Draws the waveform, in the colours of what leads; silence pale. */
import { fill } from '../lib/patterns'
import type { Series } from '../lib/readouts'
import type { Piece } from './data.svelte'
import type { Run } from './leads'
import type { Look } from './paint'
import { toX, type View } from './view'

/** Where the waveform is: its middle, and how far it goes up and down; one of two sides goes one way only. */
export interface WaveBox {
  readonly width: number
  readonly middle: number
  readonly up: number
  readonly down: number
}

export interface Wave {
  readonly view: View
  readonly look: Look
  readonly box: WaveBox
  readonly pieces: readonly Piece[]
  readonly series: Series | null
  readonly runs: readonly Run[]
  readonly peak: number // fills the box
}

export function waveform(context: CanvasRenderingContext2D, wave: Wave): void {
  const { box, look, view } = wave
  context.strokeStyle = look.line
  context.lineWidth = 1
  context.beginPath()
  context.moveTo(0, Math.round(box.middle) + 0.5)
  context.lineTo(box.width, Math.round(box.middle) + 0.5)
  context.stroke()
  const [low, high] = envelope(wave)
  const last = low.length - 1
  for (const { start, end, place, spoken } of wave.runs) {
    const first = Math.max(0, Math.floor(toX(start, view, box.width)))
    const to = Math.min(last, Math.ceil(toX(end, view, box.width)))
    if (to <= first) continue
    const line = wave.series?.lines[place]
    context.fillStyle = line ? fill(context, line.colour, line.texture) : look.wave
    context.globalAlpha = !spoken ? 0.35 : line?.name === 'neutral' ? 0.75 : 1
    context.beginPath()
    context.moveTo(first, box.middle)
    for (let x = first; x <= to; x++) context.lineTo(x, box.middle - Math.max(0.5, (high[x] ?? 0) * box.up))
    for (let x = to; x >= first; x--) context.lineTo(x, box.middle + Math.max(0.5, (low[x] ?? 0) * box.down))
    context.fill()
  }
  context.globalAlpha = 1
}

/** How far it goes down and up at each pixel, 0 to 1; where there is one way only, the larger. */
function envelope({ view, box, pieces, peak }: Wave): [Float32Array, Float32Array] {
  const width = Math.ceil(box.width) + 1
  const [low, high] = [new Float32Array(width), new Float32Array(width)]
  for (const { from, to, data } of pieces) {
    const count = data.low.length
    if (!count) continue
    const size = (data.end - data.start) / count
    const first = Math.max(0, Math.floor((Math.max(from, view.start) - data.start) / size))
    const last = Math.min(count - 1, Math.ceil((Math.min(to, view.end) - data.start) / size))
    for (let index = first; index <= last; index++) {
      const time = data.start + index * size
      const x = Math.max(0, Math.floor(toX(Math.max(time, from), view, box.width)))
      const next = Math.min(width, Math.max(x + 1, Math.ceil(toX(Math.min(time + size, to), view, box.width))))
      const [down, up] = [-(data.low[index] ?? 0) / peak, (data.high[index] ?? 0) / peak]
      for (let pixel = x; pixel < next; pixel++) {
        if (down > (low[pixel] ?? 0)) low[pixel] = down
        if (up > (high[pixel] ?? 0)) high[pixel] = up
      }
    }
  }
  if (!box.up || !box.down) {
    for (let x = 0; x < width; x++) low[x] = high[x] = Math.max(low[x] ?? 0, high[x] ?? 0)
  }
  return [low, high]
}
