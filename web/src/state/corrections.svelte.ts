/** What people said of segments of all recordings, and which to look at next. */
import { api, ask } from '../api/client'
import type { CorrectionView, Emotion, EmotionView, Uncertain } from '../api/types'
import { keysOf } from '../lib/classes'
import { preferences } from './preferences.svelte'
import { service } from './service.svelte'

const AHEAD = 20 // segments that are asked for at once

/** A label as people read it: the nine emotions in their language. */
export function nameOf(label: string): string {
  const emotion = emotionOf(label)
  return emotion ? preferences.label(emotion) : label
}

/** The one of the nine that a label is. */
export function emotionOf(label: string): EmotionView | undefined {
  return service.byName.get(label as Emotion)
}

class Corrections {
  /** How many there are of each label, the most first. */
  counts = $state.raw<Readonly<Record<string, number>>>({})
  /** Labels by the keys 1 to 9: the nine emotions; where there are own classes, what is in use and then the rest. */
  classes = $state.raw<readonly string[]>([])
  /** The segment that one goes to. */
  target = $state.raw<{ output: string; number: number } | null>(null)
  /** Whether there was nothing more to look at. */
  done = $state(false)
  /** Whether the dialog that trains a head is open. */
  training = $state(false)
  readonly total = $derived(Object.values(this.counts).reduce((sum, count) => sum + count, 0))

  readonly #seen = new Set<string>() // segments that one was led to and left as they are

  async load(): Promise<void> {
    const { counts } = await ask(api.GET('/v1/corrections', { params: { query: { limit: 1 } } }))
    this.counts = counts
    this.classes = keysOf(
      Object.keys(counts),
      service.emotions.map(({ name }) => name),
      this.classes,
    )
  }

  async put(output: string, number: number, label: string): Promise<CorrectionView> {
    const path = { id_: output, number }
    const made = await ask(
      api.PUT('/v1/outputs/{id_}/segments/{number}/label', { params: { path }, body: { label } }),
    )
    void this.load().catch(() => undefined) // the counts are told with the next one
    return made
  }

  async remove(output: string, number: number): Promise<void> {
    await ask(
      api.DELETE('/v1/outputs/{id_}/segments/{number}/label', { params: { path: { id_: output, number } } }),
    )
    void this.load().catch(() => undefined)
  }

  /** Go to the least certain segment that one hasn't been led to; `from`: where one is. */
  async next(from: { output: string; number: number } | null = null): Promise<void> {
    if (from) this.#seen.add(`${from.output} ${from.number}`)
    let after: string | undefined
    do {
      const query = { limit: AHEAD, ...(after && { after }) }
      const page = await ask(api.GET('/v1/corrections/next', { params: { query } }))
      const one: Uncertain | undefined = page.segments.find(
        ({ output, number }) => !this.#seen.has(`${output} ${number}`),
      )
      if (one) {
        this.done = false
        this.target = { output: one.output, number: one.number }
        location.hash = `#/output/${one.output}`
        return
      }
      after = page.next ?? undefined
    } while (after)
    this.#seen.clear() // those that were left come again
    this.done = true
  }
}

export const corrections = new Corrections()
