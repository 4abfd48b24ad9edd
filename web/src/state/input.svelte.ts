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
    const known = new Set(this.chosen.map(({ name, file }) => `${name}\0${file.size}`))
    this.chosen = [...this.chosen, ...kept.filter(({ name, file }) => !known.has(`${name}\0${file.size}`))]
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

export const input = new Input()
