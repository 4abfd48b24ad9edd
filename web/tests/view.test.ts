import { describe, expect, it } from 'vitest'
import {
  around,
  level,
  moved,
  NARROWEST,
  span,
  ticks,
  tiles,
  TILE,
  toTime,
  toX,
  within,
  zoomed,
} from '../src/timeline/view'

const HOURS = 36_000
const durations = [0.01, 0.3, 2.18, 60, 7200, HOURS]

/** The same numbers in every run. */
function* randoms(count: number): Generator<number> {
  let state = 12345
  for (let index = 0; index < count; index++) {
    state = (state * 1103515245 + 12345) % 2 ** 31
    yield state / 2 ** 31
  }
}

describe('a view', () => {
  it('never leaves the recording, whatever is done to it', () => {
    for (const duration of durations) {
      const numbers = [...randoms(300)]
      let view = within(0, duration, duration)
      for (let index = 0; index + 2 < numbers.length; index += 3) {
        const [kind, one, other] = numbers.slice(index, index + 3) as [number, number, number]
        if (kind < 0.4) view = zoomed(view, 4 ** (one * 2 - 1), other * duration, duration)
        else if (kind < 0.8) view = moved(view, (one - 0.5) * duration * 2, duration)
        else view = around(one * duration, one * duration + other, duration)
        expect(view.start).toBeGreaterThanOrEqual(0)
        expect(view.end).toBeLessThanOrEqual(duration * (1 + 1e-9))
        expect(view.end - view.start).toBeGreaterThanOrEqual(Math.min(NARROWEST, duration) * (1 - 1e-6))
      }
    }
  })

  it('keeps the moment under the pointer in its place while it zooms', () => {
    let view = { start: 0, end: 7200 }
    const time = 4000
    const x = toX(time, view, 1000)
    for (let step = 0; step < 12; step++) {
      view = zoomed(view, 2, time, 7200)
      expect(toX(time, view, 1000)).toBeCloseTo(x, 4)
    }
    expect(view.end - view.start).toBeCloseTo(7200 / 2 ** 12)
  })

  it('goes from ten hours to a word and back', () => {
    let view = within(0, HOURS, HOURS)
    for (let step = 0; step < 40; step++) view = zoomed(view, 2, 1234.5, HOURS)
    expect(view.end - view.start).toBeCloseTo(NARROWEST)
    for (let step = 0; step < 40; step++) view = zoomed(view, 0.5, 1234.5, HOURS)
    expect(view).toEqual({ start: 0, end: HOURS })
  })

  it('takes places and moments into each other', () => {
    const view = { start: 3, end: 5 }
    for (const x of randoms(50)) expect(toX(toTime(x * 900, view, 900), view, 900)).toBeCloseTo(x * 900)
  })
})

describe('the axis', () => {
  it('has marks that are round, in view and not too many', () => {
    for (const length of [0.05, 0.7, 3, 61, 3600, HOURS]) {
      const view = { start: length / 3, end: length * 1.2 }
      const { step, times } = ticks(view, 1000)
      expect(times.length).toBeGreaterThan(1)
      expect(times.length).toBeLessThanOrEqual(1000 / 80 + 1)
      for (const time of times) {
        expect(time).toBeGreaterThanOrEqual(view.start - 1e-9)
        expect(time).toBeLessThanOrEqual(view.end + 1e-9)
        expect(Math.abs(time / step - Math.round(time / step))).toBeLessThan(1e-6)
      }
    }
  })
})

describe('tiles', () => {
  it('cover the view without gaps, at the resolution of the screen', () => {
    for (const duration of [2, 7200, HOURS]) {
      for (const share of [1, 0.1, 0.001]) {
        const view = within(duration / 3, duration * share, duration)
        const found = tiles(view, level(view, 1400), duration)
        expect(found[0]?.start).toBeLessThanOrEqual(view.start)
        expect(found.at(-1)?.end).toBeGreaterThanOrEqual(view.end - 1e-9)
        for (const [index, tile] of found.entries()) {
          if (index) expect(tile.start).toBeCloseTo(found[index - 1]?.end ?? 0, 6)
        }
        expect(found.length).toBeLessThanOrEqual(8)
        const seconds = span(found[0]?.level ?? 0) / TILE
        if (found[0]?.level) expect(seconds).toBeLessThanOrEqual((view.end - view.start) / 1400)
      }
    }
  })
})
