import { describe, expect, it } from 'vitest'
import { Tape } from '../src/live/tape'

describe('a tape', () => {
  it('is a WAV file of all that was taken, in order, however it came', async () => {
    const tape = new Tape(48_000)
    const sound = Float32Array.from({ length: 3_000_000 }, (_, index) => Math.sin(index / 7) * 1.2) // past full scale, too
    for (let at = 0; at < sound.length; at += 4096) tape.add(sound.subarray(at, at + 4096))
    expect(tape.seconds).toBe(62.5)
    const file = tape.wav()
    const view = new DataView(await file.arrayBuffer())
    const text = (at: number): string => String.fromCharCode(...new Uint8Array(view.buffer, at, 4))
    expect([0, 8, 12, 36].map(text)).toEqual(['RIFF', 'WAVE', 'fmt ', 'data'])
    expect([view.getUint32(4, true), view.getUint32(40, true)]).toEqual([file.size - 8, 6_000_000])
    expect([20, 22, 34].map((at) => view.getUint16(at, true))).toEqual([1, 1, 16])
    expect([24, 28].map((at) => view.getUint32(at, true))).toEqual([48_000, 96_000])
    for (let index = 0; index < sound.length; index += 1009) {
      const sample = Math.max(-1, Math.min(1, sound[index] ?? 0))
      expect(Math.abs(view.getInt16(44 + 2 * index, true) / 32767 - sample)).toBeLessThan(1e-4)
    }
  })
})
