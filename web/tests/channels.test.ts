import { describe, expect, it } from 'vitest'
import { correlation } from '../src/state/channels.svelte'

describe('two channels', () => {
  const tone = Float32Array.from({ length: 800 }, (_, index) => Math.sin(index / 5))
  const other = Float32Array.from({ length: 800 }, (_, index) => Math.sin(index / 11))
  const silence = new Float32Array(800)

  it('are alike where both hear the same, whatever its sign or how loud', () => {
    expect(correlation(tone, tone)).toBeCloseTo(1)
    expect(
      correlation(
        tone,
        tone.map((one) => -one / 3),
      ),
    ).toBeCloseTo(1)
    expect(correlation(silence, silence)).toBe(1)
  })

  it('differ where each has a voice of its own, or one is silent', () => {
    expect(correlation(tone, other)).toBeLessThan(0.2)
    expect(correlation(tone, silence)).toBe(0)
  })
})
