/** What a segment is, in the words of a series. */
import type { Segment } from '../api/types'
import { decimal } from '../lib/format'
import { type Leader, leader, type Line, type Series } from '../lib/readouts'

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
  if (segment.label) {
    const correct = series?.lines.find(({ name }) => name === segment.label) // what somebody said that it is
    const brief = `✓ ${correct?.label ?? segment.label}`
    return { line: correct ?? line, label: brief, share: null, brief }
  }
  return { line, label: line?.label ?? '', share: line && share, brief: line?.label ?? '' }
}
