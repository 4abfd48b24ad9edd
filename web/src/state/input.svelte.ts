/** What was dropped or chosen and isn't handed over yet. */
import { mayHaveSound } from '../lib/files'
import type { Chosen } from './queue.svelte'

class Input {
  chosen = $state.raw<Chosen[]>([])
  /** Files of the latest choice that can't be recordings. */
  skipped = $state(0)

  add(files: readonly Chosen[]): void {
    // A single file is sent whatever its name is: the service says what is wrong with it.
    const kept = files.length === 1 ? files : files.filter(({ file }) => mayHaveSound(file))
    this.skipped = files.length - kept.length
    const known = new Set(this.chosen.map(identity))
    this.chosen = [...this.chosen, ...kept.filter((one) => !known.has(identity(one)))]
  }

  remove(one: Chosen): void {
    this.chosen = this.chosen.filter((other) => other !== one)
  }

  /** All of it, which then is no longer here. */
  take(): Chosen[] {
    const taken = this.chosen
    this.chosen = []
    this.skipped = 0
    return taken
  }
}

/** What a file is known by; folders have clips of one name and one length. */
function identity({ name, file }: Chosen): string {
  return `${name}\0${file.size}\0${file.lastModified}`
}

export const input = new Input()
