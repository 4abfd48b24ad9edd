import { describe, expect, it } from 'vitest'
import type { Scores, Timeline } from '../src/api/types'
import { en } from '../src/i18n/en'
import { saidOf, timelineWithout, without } from '../src/lib/relative'
import { TimelineData } from '../src/timeline/data.svelte'

const nine = (leads: string): Scores =>
  Object.fromEntries(
    ['angry', 'disgusted', 'fearful', 'happy', 'neutral', 'other', 'sad', 'surprised', 'unknown'].map((name) => [
      name,
      name === leads ? 0.92 : 0.01,
    ]),
  ) as unknown as Scores
const MOODS = { kind: 'linear' as const, label: 'a', confidence: 0.6, scores: { a: 0.6, b: 0.4 } }
const MOVED = { ...MOODS, scores_without: { a: 0.1, b: 0.9 } }
const said = {
  emotion: 'neutral' as const,
  confidence: 0.92,
  scores: nine('neutral'),
  scores_without: nine('angry'),
  readouts: { moods: MOODS, moved: MOVED },
}
const segment = { ...said, start: 0, end: 1 }
const timeline: Timeline = {
  start: 0,
  end: 1,
  duration: 1,
  low: [0],
  high: [0],
  curve: {
    times: [0.5],
    scores: { angry: [0.2] },
    scores_without: { angry: [0.8] },
    readouts: {
      moved: { kind: 'linear', scores: { a: [0.6] }, scores_without: { a: [0.1] } },
      values: { kind: 'pooled', values: { arousal: [0.5] } },
    },
  },
  segments: [segment],
}

describe('a result without its baseline', () => {
  it('has the other scores, with the emotion and label that lead in them', () => {
    expect(without(said)).toMatchObject({ emotion: 'angry', confidence: 0.92, scores: nine('angry') })
    expect(without(said).readouts.moved).toMatchObject({ label: 'b', confidence: 0.9, scores: { a: 0.1, b: 0.9 } })
    expect(without(said).readouts.moods).toBe(MOODS)
  })
  it('is the same where nothing was moved, as a whole relative to itself', () => {
    const whole = { emotion: 'sad' as const, confidence: 0.92, scores: nine('sad'), readouts: { moods: MOODS } }
    expect(without(whole)).toBe(whole)
    expect(without({ readouts: { moved: MOVED } }).readouts.moved.label).toBe('b')
  })
  it('has other segments and another curve, and the very same object again', () => {
    const other = timelineWithout(timeline)
    expect(other.segments?.[0]?.emotion).toBe('angry')
    expect(other.curve?.scores).toEqual({ angry: [0.8] })
    expect(other.curve?.readouts['moved']?.scores).toEqual({ a: [0.1] })
    expect(other.curve?.readouts['values']).toBe(timeline.curve?.readouts['values'])
    expect(timelineWithout(timeline)).toBe(other)
    const plain = { ...timeline, curve: null, segments: null }
    expect(timelineWithout(plain)).toEqual(plain)
  })
  it('is one side of a timeline, in all that is drawn and told', async () => {
    let relative = true
    const data = new TimelineData(
      1,
      () => Promise.resolve(timeline),
      (one) => (relative ? one : timelineWithout(one)),
    )
    await data.begin()
    const shown = (): unknown[] => [
      data.numbersAt(0.5, null)?.['angry'],
      data.whole?.segments?.[0]?.emotion,
      data.pieces({ start: 0, end: 1 }, 100)[0]?.data.curve?.scores['angry']?.[0],
    ]
    expect(shown()).toEqual([0.2, 'neutral', 0.2])
    relative = false
    expect(shown()).toEqual([0.8, 'angry', 0.8])
  })
})

it('what a baseline is made of is said, and what of a recording is relative to itself', () => {
  const baseline = {
    name: 'line3',
    count: 40,
    checksum: '',
    shift: {},
    temperatures: [],
    expectation: { neutral: 0.5, sad: 0.5 },
  }
  expect(saidOf(baseline, en)).toBe('40 recordings, of which 50 % are taken to be neutral')
  expect(saidOf({ ...baseline, count: 1, expectation: { sad: 1 } }, en)).toBe('1 recording')
  expect(saidOf({ ...baseline, name: 'self' }, en)).toBe(en.baselines.selfHint)
})
