/** Says what the segments of a timeline are, one at a time, and takes it back. */
import { asProblem, type ProblemError } from '../api/problem'
import type { Segment } from '../api/types'
import { corrections } from '../state/corrections.svelte'
import type { Navigation } from './navigation.svelte'

interface Step {
  readonly side: number
  readonly index: number
  readonly label: string | null // that it had before
}

export class Corrector {
  problem = $state.raw<ProblemError | null>(null)
  /** Whether a label is being typed. */
  typing = $state(false)
  steps = $state.raw<readonly Step[]>([])

  constructor(readonly navigation: Navigation) {
    void this.#try(() => corrections.load())
  }

  /** The segment that is spoken of; null: none. */
  readonly segment: Segment | null = $derived.by(() => {
    const { chosen, sides } = this.navigation
    return (chosen && sides.segmented[chosen.side]?.[chosen.index]) ?? null
  })

  /** Labels by the keys 1 to 9. */
  get classes(): readonly string[] {
    return corrections.classes
  }

  /** Say what the chosen segment is, or that at the cursor; null: take back what was said. */
  async put(label: string | null): Promise<void> {
    const at = this.#chosen()
    if (!at) return
    const before = this.#label(at.side, at.index)
    if (before === label) return
    if (await this.#set(at.side, at.index, label)) this.steps = [...this.steps, { ...at, label: before }]
  }

  async undo(): Promise<void> {
    const last = this.steps.at(-1)
    if (!last) return
    this.navigation.chosen = { side: last.side, index: last.index }
    if (await this.#set(last.side, last.index, last.label)) this.steps = this.steps.slice(0, -1)
  }

  type(): void {
    if (this.#chosen()) this.typing = true
  }

  train(): void {
    corrections.training = true
  }

  /** To the least certain segment of all recordings. */
  async next(): Promise<void> {
    const { chosen, sides } = this.navigation
    const from = chosen && { output: sides.idOf(chosen.side), number: chosen.index }
    await this.#try(() => corrections.next(from))
  }

  /** Choose and play the segment that one was led to, once it is there; gives whether it is. */
  arrive(): boolean {
    const { target } = corrections
    const { sides } = this.navigation
    if (!target) return false
    const side = sides.all.findIndex((_, side) => sides.idOf(side) === target.output)
    if (side < 0 || !sides.segmented[side]?.[target.number]) return false
    corrections.target = null
    this.navigation.playSegment(side, target.number, true)
    return true
  }

  #chosen(): { side: number; index: number } | null {
    const { navigation } = this
    if (!navigation.chosen) navigation.choose(navigation.speaking, navigation.player.time)
    return navigation.chosen
  }

  #label(side: number, index: number): string | null {
    return this.navigation.sides.segmented[side]?.[index]?.label ?? null
  }

  async #set(side: number, index: number, label: string | null): Promise<boolean> {
    const { sides } = this.navigation
    const output = sides.idOf(side)
    return this.#try(async () => {
      const made = label === null ? null : await corrections.put(output, index, label)
      if (label === null) await corrections.remove(output, index)
      sides.all[side]?.relabel(index, made?.label ?? null)
    })
  }

  async #try(work: () => Promise<void>): Promise<boolean> {
    this.problem = null
    try {
      await work()
      return true
    } catch (error) {
      this.problem = asProblem(error)
      return false
    }
  }
}
