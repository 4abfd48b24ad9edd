/** Whether what was chosen has two channels that sound different, as a call has that was recorded by sides. */
import type { Chosen } from './queue.svelte'

const MOST = 4 // files that are looked into
const BYTES = 1 << 20 // of each, its beginning
const RATE = 8000 // Hz that tell voices apart well enough
const ALIKE = 0.5 // correlation of a recording in stereo, where both channels hear everybody

class Channels {
  different = $state(false)
  #latest = 0

  async look(chosen: readonly Chosen[]): Promise<void> {
    const number = ++this.#latest
    this.different = false
    for (const { file } of chosen.slice(0, MOST)) {
      const different = await differ(file)
      if (number !== this.#latest) return
      if (different) this.different = true
    }
  }
}

/** Whether a file begins with two channels that differ; false where the browser can't read it. */
async function differ(file: File): Promise<boolean> {
  try {
    const data = await file.slice(0, BYTES).arrayBuffer()
    const sound = await new OfflineAudioContext(2, 1, RATE).decodeAudioData(data)
    return sound.numberOfChannels === 2 && correlation(sound.getChannelData(0), sound.getChannelData(1)) < ALIKE
  } catch {
    return false
  }
}

/** How alike two signals are, 0 to 1; 0 where one of them is silent. */
export function correlation(one: Float32Array, other: Float32Array): number {
  let [both, a, b] = [0, 0, 0]
  for (let index = 0; index < one.length; index++) {
    const [x, y] = [one[index] ?? 0, other[index] ?? 0]
    both += x * y
    a += x * x
    b += y * y
  }
  return a && b ? Math.abs(both) / Math.sqrt(a * b) : a === b ? 1 : 0
}

export const channels = new Channels()
