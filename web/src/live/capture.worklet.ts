/** Runs beside the sound: hands it over in pieces of about 85 ms. */

interface Processor {
  readonly port: MessagePort
}
declare const AudioWorkletProcessor: { prototype: Processor; new (): Processor }
declare function registerProcessor(name: string, processor: new () => Processor): void

const PIECE = 4096

class Capture extends AudioWorkletProcessor {
  #piece = new Float32Array(PIECE)
  #filled = 0

  process(inputs: Float32Array[][]): boolean {
    const channels = inputs[0] ?? []
    const length = channels[0]?.length ?? 0
    for (let index = 0; index < length; index++) {
      let sum = 0
      for (const channel of channels) sum += channel[index] ?? 0
      this.#piece[this.#filled++] = sum / channels.length
      if (this.#filled === PIECE) {
        this.port.postMessage(this.#piece, [this.#piece.buffer])
        this.#piece = new Float32Array(PIECE)
        this.#filled = 0
      }
    }
    return true
  }
}

registerProcessor('capture', Capture)
