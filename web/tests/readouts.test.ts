import { describe, expect, it } from 'vitest'
import type { EmotionView, ReadoutResult } from '../src/api/types'
import {
  gist,
  inWords,
  nine,
  numbersOf,
  ownSeries,
  placeIn,
  ranked,
  type Said,
  seriesOf,
  told,
} from '../src/lib/readouts'
import { headline } from '../src/timeline/headline'
import { extent } from '../src/timeline/paint'

const EMOTIONS: EmotionView[] = ['angry', 'sad'].map((name) => ({
  name,
  chinese: '',
  emoji: '🙂',
  colour: '#111111',
  dark_colour: '#eeeeee',
  texture: '',
}))
const NINE = nine(EMOTIONS, ({ name }) => name.toUpperCase(), false)
const FOREIGN: ReadoutResult = {
  kind: 'linear',
  label: 'rabbia',
  confidence: 0.6,
  scores: { gioia: 0.4, rabbia: 0.6 },
}
const DIMENSIONS: ReadoutResult = { kind: 'pooled', values: { arousal: 0.734, valence: -0.2 }, range: [-1, 1] }
const scores = { angry: 0.9, sad: 0.1 } as unknown as NonNullable<Said['scores']>
const SAD: Said = { emotion: 'sad', confidence: 0.9, scores }
const label = (name: string): string => name.toUpperCase()

describe('what stands for a recording', () => {
  it('is its emotion, else what its first readout says', () => {
    expect(gist({ ...SAD, readouts: { emotion: FOREIGN } }, label)).toEqual({ label: 'SAD', share: 0.9 })
    expect(gist({ readouts: { emotion: FOREIGN, dimensions: DIMENSIONS } }, label)).toEqual({
      label: 'rabbia',
      share: 0.6,
    })
    expect(gist({ readouts: { dimensions: DIMENSIONS } }, label)).toEqual({
      label: 'arousal\u00a00.73 · valence\u00a0−0.20',
      share: null,
    })
    expect(gist({ readouts: {} }, label)).toBeNull()
    expect(gist({}, label)).toBeNull()
  })
  it('has values with two decimals, never as shares', () => {
    expect(inWords({ arousal: 1 })).toBe('arousal\u00a01.00')
    expect(told({ values: true }, 0.734)).toBe('0.73')
    expect(told({ values: false }, 0.734)).toBe('73.4 %')
  })
})

describe('what can be drawn', () => {
  it('is the nine first, where they are given, then each readout in the order of its model', () => {
    const names = (said: Said): (string | null)[] =>
      seriesOf(null, [{}, said], NINE, false).map(({ name }) => name)
    expect(names({ ...SAD, readouts: { emotion: FOREIGN } })).toEqual([null, 'emotion'])
    expect(names({ readouts: { dimensions: DIMENSIONS, emotion: FOREIGN } })).toEqual(['dimensions', 'emotion'])
    expect(names({})).toEqual([])
    const curve = {
      times: [0],
      scores: {},
      readouts: { emotion: { kind: 'linear' as const, scores: { b: [1], a: [0] } } },
    }
    const [series] = seriesOf(curve, [], NINE, false)
    expect(series?.lines.map(({ label }) => label)).toEqual(['b', 'a'])
  })
  it('has labels as the model spells them, in colours that are not the emotions’', () => {
    const series = ownSeries('emotion', FOREIGN, false)
    expect(series).toMatchObject({ name: 'emotion', values: false, range: null })
    expect(series.lines.map(({ label, emoji }) => label + emoji)).toEqual(['gioia', 'rabbia'])
    expect(new Set(series.lines.map(({ colour }) => colour)).size).toBe(2)
    expect(ownSeries('dimensions', DIMENSIONS, true)).toMatchObject({ values: true, range: [-1, 1] })
  })
  it('has its numbers', () => {
    const said = { ...SAD, readouts: { emotion: FOREIGN, dimensions: DIMENSIONS } }
    expect(numbersOf(said, null)).toBe(scores)
    expect(numbersOf(said, 'dimensions')).toBe(DIMENSIONS.values)
    expect(numbersOf(said, 'other')).toBeNull()
    expect(ranked({ a: 0.1, b: 0.9 })).toEqual([
      ['b', 0.9],
      ['a', 0.1],
    ])
  })
  it('reaches over the range, and over what lies outside', () => {
    const series = ownSeries('dimensions', DIMENSIONS, false)
    expect(extent(series, [[0.2, null]])).toEqual([-1, 1])
    expect(extent(series, [[1.25], [-1]])).toEqual([-1, 1.25])
    expect(extent({ ...series, range: null }, [[3, 5, null]])).toEqual([3, 5])
    expect(extent({ ...series, range: null }, [[3]])).toEqual([2.5, 3.5])
    expect(extent({ ...series, range: null }, [])).toEqual([0, 1])
    expect(extent(NINE, [[3]])).toEqual([0, 1])
    expect([placeIn(0, [-1, 1]), placeIn(9, [-1, 1])]).toEqual([0.5, 1])
  })
})

describe('a segment', () => {
  const segment = { start: 0, end: 1, ...SAD, readouts: { emotion: FOREIGN, dimensions: DIMENSIONS } }
  it('is told in the words of what is drawn', () => {
    expect(headline(segment, NINE)).toMatchObject({ label: 'SAD', share: 0.9 })
    expect(headline(segment, ownSeries('emotion', FOREIGN, false))).toMatchObject({ label: 'rabbia', share: 0.6 })
    expect(headline(segment, ownSeries('dimensions', DIMENSIONS, false))).toEqual({
      line: null,
      label: 'arousal\u00a00.73 · valence\u00a0−0.20',
      share: null,
      brief: '0.73 · −0.20',
    })
    expect(headline({ start: 0, end: 1 }, null)).toEqual({ line: null, label: '', share: null, brief: '' })
  })
})
