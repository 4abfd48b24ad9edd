import { describe, expect, it } from 'vitest'
import type { Segment } from '../src/api/types'
import type { Series } from '../src/lib/readouts'
import {
  binned,
  calmed,
  exactRuns,
  named,
  peaks,
  prominent,
  runs,
  segmentMeans,
  stretches,
  talk,
  turns,
} from '../src/timeline/leads'

const NAMES = ['angry', 'neutral', 'sad']
const NINE: Series = {
  name: null,
  values: false,
  range: null,
  lines: NAMES.map((name) => ({ name, label: name, emoji: '', colour: '#111111', texture: '' })),
}

function said(start: number, end: number, emotion: string, confidence = 0.9): Segment {
  const rest = (1 - confidence) / 2
  const scores = Object.fromEntries(NAMES.map((name) => [name, name === emotion ? confidence : rest]))
  return { start, end, emotion, confidence, scores, readouts: {} } as unknown as Segment
}

const CALL = [
  [said(0, 2, 'neutral'), said(2.5, 4, 'neutral'), said(10, 12, 'angry')],
  [said(3.5, 6, 'sad'), said(6.5, 8, 'sad')],
]

describe('what leads', () => {
  it('is what segments say, or else the highest of a curve', () => {
    const led = stretches([said(0, 2, 'sad'), said(3, 4, 'unheard of')], NINE, null)
    expect(led.map(({ place }) => place)).toEqual([2, -1])
    const curve = {
      times: [0, 1, 2],
      readouts: {},
      scores: { angry: [0.2, 0.6, 0.5], neutral: [0.7, 0.3, 0.5], sad: [0.1, 0.1, 0] },
    }
    expect(stretches([], NINE, curve).map(({ place, end }) => [place, end])).toEqual([
      [1, 1],
      [0, 2],
      [0, 2],
    ])
    expect(stretches([], null, null)).toEqual([])
  })
  it('is counted in bins that stay where they are', () => {
    const led = stretches([said(0.5, 2.5, 'sad'), said(3, 4, 'angry')], NINE, null)
    const bins = binned(led, 3, { start: 0, end: 4 }, 1)
    const at = (time: number): number => Math.floor((time - bins.from) / bins.size)
    expect(bins.spoken[at(0.2)]).toBeCloseTo(0.5)
    expect(bins.spoken[at(1.2)]).toBeCloseTo(1)
    expect(bins.led[at(1.2) * 3 + 2]).toBeCloseTo(1)
    expect(bins.spoken[at(2.7)]).toBeCloseTo(0.5)
    expect(bins.led[at(3.5) * 3]).toBeCloseTo(1)
    expect(bins.spoken.reduce((sum, seconds) => sum + seconds, 0)).toBeCloseTo(3)
    const later = binned(led, 3, { start: 2.3, end: 6.3 }, 1)
    expect(later.led[Math.floor((3.5 - later.from) / later.size) * 3]).toBeCloseTo(1)
    expect(later.from % 1).toBe(0)
  })
  it('is in runs, of bins and of segments, with silence between them', () => {
    const led = stretches([said(0, 2, 'sad'), said(2, 4, 'sad'), said(8, 12, 'angry')], NINE, null)
    const found = runs(binned(led, 3, { start: 0, end: 12 }, 1)).filter(({ spoken }) => spoken)
    expect(found).toEqual([
      { start: 0, end: 4, place: 2, spoken: true },
      { start: 8, end: 12, place: 0, spoken: true },
    ])
    const exact = exactRuns(led, { start: 1, end: 10 })
    expect(exact.map(({ start, end, place }) => [start, end, place])).toEqual([
      [1, 2, 2],
      [2, 4, 2],
      [4, 8, -1],
      [8, 12, 0],
    ])
  })
  it('is no barcode when it is calmed: a second between minutes goes', () => {
    const led = stretches([said(0, 60, 'neutral'), said(60, 61, 'angry'), said(61, 120, 'neutral')], NINE, null)
    const bins = binned(led, 3, { start: 0, end: 120 }, 1)
    expect(runs(bins).filter(({ spoken }) => spoken)).toHaveLength(3)
    expect(runs(calmed(bins, 2)).filter(({ spoken }) => spoken)).toHaveLength(1)
  })
})

describe('peaks', () => {
  it('are emotions, apart, of several emotions before a second of one', () => {
    const long = [
      said(0, 6, 'angry', 0.99),
      said(7, 13, 'angry', 0.98),
      said(100, 106, 'angry', 0.97),
      said(200, 203, 'sad', 0.6),
      said(300, 306, 'neutral', 1),
    ]
    const led = stretches(long, NINE, null)
    expect(peaks(led, NINE, 50, 2).map(({ index }) => index)).toEqual([0, 3])
    expect(peaks(led, NINE, 50, 9).map(({ index }) => index)).toEqual([0, 2, 3])
    const [given] = named([{ name: 'sad', start: 200, end: 203 }], led, NINE)
    expect(given).toEqual({ time: 201.5, place: 2, index: 3 })
    expect(peaks(led, NINE, 500, 1, given && [given])).toEqual([given]) // the summary's first
    expect(named([{ name: 'joy', start: 0, end: 1 }], led, NINE)).toEqual([])
    expect(peaks(stretches([said(0, 9, 'neutral')], NINE, null), NINE, 1, 9)).toEqual([])
  })
})

describe('what is worth drawing', () => {
  it('leads somewhere, or passes a share where somebody speaks', () => {
    const led = (segments: Segment[]): Set<string> =>
      prominent(NINE, segments, null, stretches(segments, NINE, null))
    expect(led([said(0, 1, 'sad')])).toEqual(new Set(['sad']))
    expect(led([said(0, 1, 'sad', 0.6)])).toEqual(new Set(NAMES))
    const curve = { times: [0, 1], readouts: {}, scores: { angry: [0, 0.16], neutral: [1, 0.84], sad: [0, 0] } }
    expect(prominent(NINE, [], curve, stretches([], NINE, curve))).toEqual(new Set(['angry', 'neutral']))
    expect(prominent(NINE, [said(0, 1, 'sad')], curve, [])).toEqual(new Set(['sad'])) // that was silence
  })
})

describe('a call', () => {
  it('has turns, each until the other speaks', () => {
    expect(turns(CALL)).toEqual([
      { side: 0, start: 0, end: 4 },
      { side: 1, start: 3.5, end: 8 },
      { side: 0, start: 10, end: 12 },
    ])
  })
  it('has shares of talk, and what both said at once', () => {
    expect(talk(CALL)).toEqual({ spoken: [5.5, 4], both: 0.5 })
    expect(talk([[said(0, 10, 'sad')], [said(1, 2, 'sad'), said(9, 11, 'sad')]]).both).toBeCloseTo(2)
    expect(talk([[], CALL[1] ?? []])).toEqual({ spoken: [0, 4], both: 0 })
  })
})

describe('means of segments', () => {
  it('are weighed by how long they last, and leave silence out', () => {
    const { times, values } = segmentMeans(
      [said(0, 0.5, 'sad'), said(0.5, 2, 'angry', 0.8)],
      NINE,
      { start: 0, end: 8 },
      2,
    )
    const at = times.indexOf(1)
    expect(values[2]?.[at]).toBeCloseTo((0.5 * 0.9 + 1.5 * 0.1) / 2)
    expect(values[2]?.[times.indexOf(3)]).toBeCloseTo((0.5 * 0.9 + 1.5 * 0.1) / 2) // its neighbour's
    expect(values[0]?.[times.indexOf(5)]).toBeNaN()
  })
})
