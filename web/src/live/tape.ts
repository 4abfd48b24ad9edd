/** What the microphone gave, kept in the tab until the service has stored it: mono, 16 bits. */

const PART = 2 ** 20 // samples after which they are handed to the browser, which may put them on its disk
const HEADER = 44 // bytes

export class Tape {
  samples = 0
  #parts: Blob[] = []
  #pieces: Int16Array<ArrayBuffer>[] = []
  #loose = 0

  constructor(readonly rate: number) {}

  get seconds(): number {
    return this.samples / this.rate
  }

  /** Take a piece of sound, full scale ±1. */
  add(piece: Float32Array): void {
    const samples = new Int16Array(piece.length)
    for (const [index, sample] of piece.entries())
      samples[index] = Math.round(Math.max(-1, Math.min(1, sample)) * 32767)
    this.#pieces.push(samples)
    this.samples += piece.length
    this.#loose += piece.length
    if (this.#loose < PART) return
    this.#parts.push(new Blob(this.#pieces))
    this.#pieces = []
    this.#loose = 0
  }

  /** All of it as a WAV file. */
  wav(): Blob {
    return new Blob([header(this.samples, this.rate), ...this.#parts, ...this.#pieces], { type: 'audio/wav' })
  }
}

function header(samples: number, rate: number): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(HEADER))
  const tag = (at: number, text: string): void =>
    [...text].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)))
  tag(0, 'RIFF')
  view.setUint32(4, HEADER - 8 + samples * 2, true)
  tag(8, 'WAVEfmt ')
  view.setUint32(16, 16, true) // bytes of what follows up to `data`
  view.setUint16(20, 1, true) // PCM
  view.setUint16(22, 1, true) // channels
  view.setUint32(24, rate, true)
  view.setUint32(28, rate * 2, true) // bytes a second
  view.setUint16(32, 2, true) // bytes of a sample
  view.setUint16(34, 16, true) // bits
  tag(36, 'data')
  view.setUint32(40, samples * 2, true)
  return view.buffer
}
