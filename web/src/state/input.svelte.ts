/** What was dropped or chosen and isn't handed over yet, and what comes from elsewhere: an example, the microphone. */
import { asProblem, gone, type ProblemError } from '../api/problem'
import type { ExampleView } from '../api/types'
import { mayHaveSound } from '../lib/files'
import { recorder } from '../live/recorder.svelte'
import { options } from './options.svelte'
import { type Chosen, queue } from './queue.svelte'

class Input {
  chosen = $state.raw<Chosen[]>([])
  /** Files of the latest choice that can't be recordings. */
  skipped = $state(0)
  problem = $state.raw<ProblemError | null>(null)
  /** Whether the reader says that who speaks was told. */
  told = $state(false)

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

  /** Recognise an example. */
  async try(example: ExampleView): Promise<void> {
    this.problem = null
    try {
      const answer = await fetch(example.url).catch(() => null)
      if (!answer?.ok) throw answer ? asProblem(`HTTP ${answer.status}`) : gone()
      const file = new File([await answer.blob()], example.name, { type: 'audio/flac' })
      queue.add([{ file, name: example.name }], options.asked())
    } catch (error) {
      this.problem = asProblem(error)
    }
  }

  /** Record until somebody stops it, and show what it was. */
  async record(name: string): Promise<void> {
    this.problem = null
    const inference = options.inference()
    const output = await recorder.record(name, { ...inference, ...(this.told && { notice: true }) })
    if (output === null) return
    try {
      await queue.adopt(output, { granularity: 'frame', segments: true, ...inference })
    } catch (error) {
      this.problem = asProblem(error)
    }
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
