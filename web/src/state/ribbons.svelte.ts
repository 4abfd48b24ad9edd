/** The emotions of stored recordings in the order in which they were heard, for a picture of a line's height. */
import { api, ask } from '../api/client'
import type { Emotion, Timeline } from '../api/types'
import { ranked } from '../lib/readouts'
import { timelineWithout } from '../lib/relative'
import { preferences } from './preferences.svelte'

const POINTS = 60
const AT_ONCE = 3
const LONGEST = 3600 // seconds: of longer ones the segments alone are megabytes

export interface Stretch {
  readonly from: number // 0 to 1
  readonly to: number
  readonly emotion: Emotion
}

class Ribbons {
  #timelines = $state.raw<ReadonlyMap<string, Timeline>>(new Map())
  readonly #asked = new Set<string>()
  readonly #waiting: string[] = []
  #running = 0

  /** What is known of one. */
  of(id: string): readonly Stretch[] {
    const timeline = this.#timelines.get(id)
    return timeline ? stretches(preferences.side(timeline, timelineWithout)) : []
  }

  /** Fetch it, as it has come into view. */
  want(id: string, duration: number): void {
    if (this.#asked.has(id) || duration > LONGEST) return
    this.#asked.add(id)
    this.#waiting.push(id)
    while (this.#running < AT_ONCE && this.#waiting.length) void this.#next()
  }

  async #next(): Promise<void> {
    const id = this.#waiting.shift()
    if (!id) return
    this.#running++
    try {
      const request = api.GET('/v1/outputs/{id_}/timeline', {
        params: { path: { id_: id }, query: { points: POINTS } },
      })
      const timeline = await ask(request)
      this.#timelines = new Map([...this.#timelines, [id, timeline]])
    } catch {
      this.#asked.delete(id) // it is asked for again when it comes into view
    } finally {
      this.#running--
      if (this.#waiting.length) void this.#next()
    }
  }
}

/** Its segments; where there are none, what leads in the curve. */
export function stretches({ segments, curve, end }: Timeline): Stretch[] {
  if (!end) return []
  if (segments?.length)
    return segments.flatMap((segment) =>
      segment.emotion ? [{ from: segment.start / end, to: segment.end / end, emotion: segment.emotion }] : [],
    )
  const columns = Object.entries(curve?.scores ?? {})
  const times = curve?.times ?? []
  return times.flatMap((time, index) => {
    const scores = Object.fromEntries(columns.map(([name, column]) => [name, column[index] ?? 0]))
    const [emotion, score] = ranked(scores)[0] ?? []
    const next = times[index + 1] ?? end
    return emotion && score ? [{ from: time / end, to: next / end, emotion: emotion as Emotion }] : []
  })
}

export const ribbons = new Ribbons()
