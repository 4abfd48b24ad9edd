/** How long what was chosen will take: by its length, and by how quick this service was before. */
import type { JobView } from '../api/types'
import { store, stored } from '../lib/storage'
import type { Chosen } from './queue.svelte'

const MOST = 40 // files whose length is looked up
const PATIENCE = 4000 // milliseconds for one of them
const LEAST = 3 // seconds of work that are worth a word, and that a speed can be taken from
const SPEED = 'speed'

class Estimate {
  /** Of sound, as far as the browser can tell; of the files that it can't read, as much as of the others. */
  seconds = $state<number | null>(null)
  /** Seconds of sound that this service got through in one. */
  #speed = $state<number | null>(null)
  #latest = 0

  readonly takes = $derived.by(() => {
    const takes = this.seconds && this.#speed ? this.seconds / this.#speed : null
    return takes !== null && takes >= LEAST ? takes : null
  })

  constructor() {
    const speed = Number.parseFloat(stored(SPEED) ?? '')
    if (speed > 0) this.#speed = speed
  }

  async measure(chosen: readonly Chosen[]): Promise<void> {
    const number = ++this.#latest
    this.seconds = null
    if (!chosen.length) return
    let [known, bytes] = [0, 0]
    for (const { file } of chosen.slice(0, MOST)) {
      const seconds = await lengthOf(file)
      if (number !== this.#latest) return
      if (seconds !== null) [known, bytes] = [known + seconds, bytes + file.size]
    }
    const all = chosen.reduce((sum, { file }) => sum + file.size, 0)
    this.seconds = bytes ? (known * all) / bytes : null
  }

  /** A job has ended: what it tells of the service's speed. */
  learn(job: JobView, seconds: number): void {
    const took =
      Object.values(job.timings ?? {}).reduce((sum, one) => sum + one, 0) - (job.timings?.['waited'] ?? 0)
    if (took <= 0 || seconds < LEAST) return
    this.#speed = seconds / took
    store(SPEED, this.#speed.toPrecision(3))
  }
}

/** Seconds of a file's sound; null where the browser doesn't know. */
function lengthOf(file: File): Promise<number | null> {
  return new Promise((resolve) => {
    const sound = new Audio()
    const address = URL.createObjectURL(file)
    const end = (seconds: number | null): void => {
      clearTimeout(timer)
      URL.revokeObjectURL(address)
      sound.removeAttribute('src')
      resolve(seconds)
    }
    const timer = window.setTimeout(() => end(null), PATIENCE)
    sound.preload = 'metadata'
    sound.onloadedmetadata = () => end(Number.isFinite(sound.duration) ? sound.duration : null)
    sound.onerror = () => end(null)
    sound.src = address
  })
}

export const estimate = new Estimate()
