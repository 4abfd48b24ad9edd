import { describe, expect, it, vi } from 'vitest'
import type { Timeline } from '../src/api/types'
import { numbersAt, TimelineData, upperBound } from '../src/timeline/data.svelte'
import { binOf } from '../src/timeline/draw'
import { sampled } from '../src/timeline/leads'

const NAMES = ['angry', 'disgusted', 'fearful', 'happy', 'neutral', 'other', 'sad', 'surprised', 'unknown']

function made(start: number, end: number, count: number, duration: number): Timeline {
  const times = Array.from({ length: count }, (_, index) => start + ((index + 0.5) * (end - start)) / count)
  const scores = Object.fromEntries(
    NAMES.map((name, order) => [name, times.map((time) => (order ? 0 : time / duration))]),
  )
  return {
    start,
    end,
    duration,
    low: times.map(() => -0.5),
    high: times.map(() => 0.5),
    curve: { times, scores, readouts: {} },
    segments: [],
  }
}

vi.useFakeTimers()

/** Until everything that is wanted is there: it is asked for once the view rests a moment. */
async function settled(): Promise<void> {
  await vi.advanceTimersByTimeAsync(100)
}

describe('a timeline', () => {
  it('asks for what is looked at, once, and only a few at a time', async () => {
    const asked: string[] = []
    let running = 0
    let most = 0
    const data = new TimelineData(7200, async (start, end, count) => {
      asked.push(`${start} ${end} ${count}`)
      most = Math.max(most, ++running)
      await Promise.resolve()
      running--
      return made(start, end, count, 7200)
    })
    expect(data.pieces({ start: 0, end: 7200 }, 1400)).toEqual([])
    await data.begin()
    expect(asked).toEqual(['0 7200 2048'])
    expect(data.pieces({ start: 0, end: 7200 }, 1000)).toHaveLength(1)
    const view = { start: 100, end: 110 }
    const coarse = data.pieces(view, 1400)
    expect(coarse.every((piece) => piece.data === data.whole)).toBe(true)
    await settled()
    const fine = data.pieces(view, 1400)
    await settled()
    expect(fine.every((piece) => piece.data !== data.whole)).toBe(true)
    expect(new Set(asked).size).toBe(asked.length)
    expect(most).toBeLessThanOrEqual(4)
    expect(data.numbersAt(105, null)?.['angry']).toBeCloseTo(105 / 7200, 6)
  })

  it('tells what went wrong, and can be begun again', async () => {
    let broken = true
    const data = new TimelineData(3, (start, end, count) =>
      broken ? Promise.reject(new Error('no')) : Promise.resolve(made(start, end, count, 3)),
    )
    await data.begin()
    expect(data.problem?.kind).toBe('unknown')
    broken = false
    await data.begin()
    expect(data.problem).toBeNull()
    expect(data.whole?.duration).toBe(3)
  })

  it('keeps the coarser picture where a tile fails', async () => {
    let first = true
    const data = new TimelineData(7200, (start, end, count) => {
      if (!first) return Promise.reject(new Error('gone'))
      first = false
      return Promise.resolve(made(start, end, count, 7200))
    })
    await data.begin()
    data.pieces({ start: 10, end: 11 }, 1000)
    await settled()
    expect(data.pieces({ start: 10, end: 11 }, 1000).every((piece) => piece.data === data.whole)).toBe(true)
  })
})

describe('scores at a moment', () => {
  const data = made(0, 10, 10, 10)
  it('lie between the points around it, and are those of the ends outside', () => {
    expect(numbersAt(data, 0.5, null)?.['angry']).toBeCloseTo(0.05)
    expect(numbersAt(data, 1, null)?.['angry']).toBeCloseTo(0.1)
    expect(numbersAt(data, 99, null)?.['angry']).toBeCloseTo(0.95)
    expect(numbersAt(data, -1, null)?.['angry']).toBeCloseTo(0.05)
    expect(numbersAt({ ...data, curve: null }, 1, null)).toBeNull()
    expect(numbersAt(data, 1, 'dimensions')).toBeNull()
  })
})

describe('a readout', () => {
  const curve = {
    times: [0, 1, 2, 3],
    scores: {},
    readouts: {
      dimensions: {
        kind: 'pooled' as const,
        range: [0, 1] as [number, number],
        values: { arousal: [0.2, 0.4, null, null] },
      },
    },
  }
  const data: Timeline = { ...made(0, 4, 4, 4), curve }
  const piece = { from: 0, to: 4, data }

  it('has its numbers at a moment, but none where nothing counts', () => {
    expect(numbersAt(data, 0.5, 'dimensions')?.['arousal']).toBeCloseTo(0.3)
    expect(numbersAt(data, 1.5, 'dimensions')?.['arousal']).toBeCloseTo(0.4)
    expect(numbersAt(data, 2.5, 'dimensions')).toBeNull()
    expect(numbersAt(data, 0.5, null)).toBeNull()
  })
  it('has gaps where nothing counts', () => {
    const drawn = sampled([piece], 'dimensions', ['arousal'], { start: 0, end: 4 }, 0.001)
    expect(drawn.times).toEqual([0, 1, 2, 3])
    expect(drawn.values).toEqual([[0.2, 0.4, Number.NaN, Number.NaN]])
    const coarse = sampled([piece], 'dimensions', ['arousal'], { start: 0, end: 4 }, 3)
    expect(coarse.values[0]?.[0]).toBeCloseTo(0.3)
  })
})

describe('a curve', () => {
  it('is drawn with a few hundred points however long it is, which stay where they are when the view moves', () => {
    const data = made(0, 7200, 5000, 7200)
    const view = { start: 1000, end: 3000 }
    const bin = binOf(view, 1000)
    const drawn = sampled([{ from: 0, to: 7200, data }], null, NAMES, view, bin)
    expect(drawn.times.length).toBeLessThan(400)
    expect(drawn.times[0]).toBeLessThanOrEqual(1000)
    expect(drawn.times.at(-1)).toBeGreaterThanOrEqual(3000)
    expect(drawn.values).toHaveLength(9)
    const later = sampled([{ from: 0, to: 7200, data }], null, NAMES, { start: 1500, end: 3500 }, bin)
    const inner = drawn.times.filter((time) => time > 1600 && time < 2900)
    expect(later.times).toEqual(expect.arrayContaining(inner))
  })

  it('is the same from tiles as from one piece', () => {
    const whole = made(0, 8, 400, 8)
    const halves = [made(0, 4, 200, 8), made(4, 8, 200, 8)]
    const view = { start: 0, end: 8 }
    const one = sampled([{ from: 0, to: 8, data: whole }], null, ['angry'], view, 0.001)
    const pieces = halves.map((data) => ({ from: data.start, to: data.end, data }))
    const two = sampled(pieces, null, ['angry'], view, 0.001)
    expect(two.times.map((time) => time.toFixed(6))).toEqual(one.times.map((time) => time.toFixed(6)))
    expect(two.values[0]?.map((value) => value.toFixed(3))).toEqual(
      one.values[0]?.map((value) => value.toFixed(3)),
    )
  })
})

it('upperBound finds the first that is greater', () => {
  expect(upperBound([], 1)).toBe(0)
  expect(upperBound([1, 2, 2, 3], 2)).toBe(3)
  expect(upperBound([1, 2, 2, 3], 0)).toBe(0)
  expect(upperBound([1, 2, 2, 3], 3)).toBe(4)
})
