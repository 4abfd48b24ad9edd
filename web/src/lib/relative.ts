/** The two sides of a result with a baseline: relative to it, and as it would be without. */
import type { BaselineFacts, Brief, Emotion, ReadoutResult, Scores, Timeline } from '../api/types'
import type { Words } from '../i18n/en'
import { percent } from './format'
import { ranked, type Said } from './readouts'

/** A recording, a segment or a moment, of which both sides may be known. */
export interface TwoSided extends Said {
  readonly scores_without?: Scores | null
  readonly warnings?: readonly string[]
  readonly unsure?: boolean | null
  readonly summary?: Brief | null
  readonly summary_without?: Brief | null
}

/** As it would be without the baseline; itself where none moved it. */
export function without<T extends TwoSided>(said: T): T {
  const readouts = Object.entries(said.readouts ?? {})
  const moved = readouts.some(([, readout]) => readout.scores_without)
  if (!said.scores_without && !said.summary_without && !moved) return said
  return {
    ...said,
    ...(said.summary_without && { summary: said.summary_without }),
    ...(said.scores_without && led(said.scores_without)),
    // Whether it is unsure without the baseline isn't known: that has a threshold of its own.
    ...(said.scores_without && said.warnings && { warnings: said.warnings.filter((code) => code !== 'unsure') }),
    ...(said.scores_without && said.unsure != null && { unsure: null }),
    ...(moved && { readouts: Object.fromEntries(readouts.map(([name, readout]) => [name, raw(readout)])) }),
  }
}

function led(scores: Scores): Pick<Said, 'emotion' | 'confidence' | 'scores'> {
  const [emotion, confidence] = ranked(scores)[0] ?? []
  return { emotion: emotion as Emotion, confidence: confidence ?? null, scores }
}

function raw(readout: ReadoutResult): ReadoutResult {
  if (!readout.scores_without) return readout
  const [label, confidence] = ranked(readout.scores_without)[0] ?? []
  return { ...readout, label: label ?? null, confidence: confidence ?? null, scores: readout.scores_without }
}

const timelines = new WeakMap<Timeline, Timeline>()

/** The same of a stretch of a timeline: its segments and its curve. It is the same object every time. */
export function timelineWithout(timeline: Timeline): Timeline {
  let other = timelines.get(timeline)
  if (!other) {
    const { curve, segments } = timeline
    const readouts = Object.entries(curve?.readouts ?? {})
    other = {
      ...timeline,
      segments: segments && segments.map(without),
      curve: curve && {
        ...curve,
        scores: curve.scores_without ?? curve.scores,
        readouts: Object.fromEntries(
          readouts.map(([name, one]) => [name, one.scores_without ? { ...one, scores: one.scores_without } : one]),
        ),
      },
    }
    timelines.set(timeline, other)
  }
  return other
}

/** The name of what a recording is relative to if that is the recording itself. */
export const SELF = 'self'

/** What a baseline was made of, and what of a result is relative to it. */
export function saidOf({ name, count, expectation }: BaselineFacts, words: Words): string {
  if (name === SELF) return words.baselines.selfHint
  const neutral = expectation['neutral']
  return words.baselines.hint(count, neutral === undefined ? '' : percent(neutral, 0))
}
