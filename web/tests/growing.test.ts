import { describe, expect, it } from 'vitest'
import { Growing } from '../src/live/growing'

describe('a growing ribbon', () => {
  it('is as loud as the loudest sample of each stretch', () => {
    const growing = new Growing()
    growing.push(0, 0.08, 0.2)
    growing.push(0.08, 0.16, 0.9)
    growing.push(0.16, 0.24, 0.1)
    expect(growing.stretches.map(({ level }) => level)).toEqual([0.9, 0.9, 0.1])
  })

  it('says of the stretches since the last moment what leads at this one', () => {
    const growing = new Growing()
    growing.push(0, 0.6, 0.5)
    growing.lead(0.25, 'sad', 0.8)
    growing.lead(0.5, null, 0)
    expect(growing.stretches.map(({ name }) => name)).toEqual(['sad', 'sad', 'sad', null, null, null])
  })

  it('has no more stretches however long it is, and keeps what is loud', () => {
    const growing = new Growing()
    for (let time = 0; time < 7200; time++) {
      growing.push(time, time + 1, time === 100 ? 1 : 0.25)
      growing.lead(time + 1, time < 3600 ? 'happy' : 'sad', 0.9)
    }
    const { stretches } = growing
    expect(stretches.length).toBeLessThanOrEqual(721)
    expect(Math.max(...stretches.map(({ level }) => level))).toBe(1)
    const sad = stretches.filter(({ name }) => name === 'sad').length / stretches.length
    expect(sad).toBeCloseTo(0.5, 1)
    expect(stretches.length * growing.step).toBeGreaterThanOrEqual(7200)
  })
})
