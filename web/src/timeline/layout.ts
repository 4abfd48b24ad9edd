/** Where things are in a timeline: of one recording, or of two sides mirrored on one axis. */
import type { Series } from '../lib/readouts'
import { type Box, inBands } from './paint'
import type { WaveBox } from './wave'

/** The rows of one recording, or of one side of a call. */
export interface Rows {
  readonly lane: { readonly top: number; readonly height: number } // segments, or what leads and pins
  readonly wave: WaveBox
  readonly curves: Box | null
}

export interface Layout {
  readonly width: number
  readonly height: number
  readonly axis: number // height of the axis, from the top
  readonly words: number // top of the lane of words; the axis' if there is none
  readonly bottom: number
  readonly sides: readonly Rows[]
}

const BAND = 24 // height that a class needs
const LANE = 34
export const WORDS = 22

/**
 * Where things are, for a width: of one recording, or of two sides mirrored on one axis.
 * `slim`: one of several recordings, one below the other.
 */
export function layout(
  width: number,
  series: Series | null, // null: no curves, and more room for the waveform
  { sides = 1, words = false, slim = false }: { sides?: number; words?: boolean; slim?: boolean } = {},
): Layout {
  const small = width < 520
  const axis = 24
  const top = axis + (words ? WORDS : 2)
  const bands = series && inBands(series) ? BAND * series.lines.length : 0
  if (sides < 2) {
    const wave = slim ? 56 : series ? (small ? 72 : 92) : small ? 130 : 170
    const from = top + LANE + 6
    const curves = series && Math.max(slim ? 72 : small ? 150 : 172, bands)
    const box = curves === null ? null : { width, top: from + wave + 10, foot: from + wave + 10 + curves }
    const bottom = from + wave + (curves === null ? 0 : 10 + curves)
    const rows: Rows = {
      lane: { top, height: LANE },
      wave: { width, middle: from + wave / 2, up: wave / 2, down: wave / 2 },
      curves: box,
    }
    return { width, height: bottom + 8, axis, words: axis, bottom, sides: [rows] }
  }
  const wave = series ? 40 : 80
  const curves = series && Math.max(small ? 84 : 96, bands)
  const middle = top + LANE + 4 + (curves === null ? 0 : curves + 6) + wave
  const bottom = 2 * middle - top
  const upper: Rows = {
    lane: { top, height: LANE },
    wave: { width, middle: middle - 1, up: wave, down: 0 },
    curves: curves === null ? null : { width, top: top + LANE + 4, foot: top + LANE + 4 + curves },
  }
  const lower: Rows = {
    lane: { top: bottom - LANE, height: LANE },
    wave: { width, middle: middle + 1, up: 0, down: wave },
    curves: curves === null ? null : { width, top: bottom - LANE - 4, foot: bottom - LANE - 4 - curves },
  }
  return { width, height: bottom + 6, axis, words: axis, bottom, sides: [upper, lower] }
}
