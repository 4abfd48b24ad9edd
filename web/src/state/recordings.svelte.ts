/** The one list of recordings: those on their way or just ended, as they were handed over, then all that is stored. */
import { untrack } from 'svelte'
import { api, ask } from '../api/client'
import { asProblem, type ProblemError } from '../api/problem'
import type { Emotion, Summary } from '../api/types'
import { explained } from '../lib/explained'
import { gist } from '../lib/readouts'
import { without } from '../lib/relative'
import type { Row } from '../lib/table'
import { bin } from './bin.svelte'
import { search } from './history.svelte'
import { preferences } from './preferences.svelte'
import { type Item, queue } from './queue.svelte'
import { ribbons } from './ribbons.svelte'
import { service } from './service.svelte'

const PAGE = 50
const LARGE = 200 // when all of them are wanted

/** A recording of the list. */
export interface Entry extends Row {
  readonly id: string // of the outputs, where there are some
  readonly item: Item | null // null: stored before
  readonly created: string | null
  readonly channel: number | null
  readonly withheld: boolean // the policy allowed nothing but talk time
  readonly tags: readonly string[]
}

class Recordings {
  stored = $state.raw<readonly Summary[]>([])
  next = $state.raw<string | null>(null)
  loaded = $state(false)
  problem = $state.raw<ProblemError | null>(null)
  #latest = 0

  /** As the search has it, and in the order in which they came: what is on its way first, then the latest. */
  readonly entries = $derived.by((): Entry[] => {
    const known = new Map(this.stored.map((summary) => [summary.id, summary]))
    const own = new Set(queue.items.map(({ output }) => output))
    const items = queue.items.map((item) => entry(known.get(item.output ?? '') ?? item.summary, item))
    const stored = this.stored.filter(({ id }) => !own.has(id)).map((summary) => entry(summary, null))
    return [
      ...items.filter((one) => search.fits(one)),
      ...stored.filter(({ state }) => !search.state || state === search.state),
    ].filter(({ output }) => !output || !bin.has(output))
  })

  /** Look for what the search has, again whenever it changes: for a component that shows the list. */
  follow(): void {
    $effect(() => {
      void [search.name, search.emotion, search.since, search.until, search.tag]
      void [service.reachable, service.keyWanted]
      const timer = setTimeout(() => void this.load(), this.loaded ? 200 : 0)
      return () => clearTimeout(timer)
    })
    $effect(() => {
      if (!queue.finished || !untrack(() => this.loaded)) return
      const timer = setTimeout(() => void this.#refresh(), 1000)
      return () => clearTimeout(timer)
    })
  }

  async load(): Promise<void> {
    const number = ++this.#latest
    try {
      const page = await this.#page(null, PAGE)
      if (number !== this.#latest) return
      this.stored = page.outputs
      this.next = page.next
      this.problem = null
    } catch (error) {
      if (number === this.#latest) this.problem = asProblem(error)
    } finally {
      if (number === this.#latest) this.loaded = true
    }
  }

  /** Take in what was stored since. */
  async #refresh(): Promise<void> {
    const number = this.#latest
    const page = await this.#page(null, PAGE).catch(() => null) // which the service's state tells of
    if (!page || number !== this.#latest) return
    const fresh = new Set(page.outputs.map(({ id }) => id))
    this.stored = [...page.outputs, ...this.stored.filter(({ id }) => !fresh.has(id))]
  }

  async more(limit = PAGE): Promise<void> {
    const [number, after] = [this.#latest, this.next]
    if (after === null) return
    try {
      const page = await this.#page(after, limit)
      if (number !== this.#latest || after !== this.next) return
      this.stored = [...this.stored, ...page.outputs]
      this.next = page.next
    } catch (error) {
      this.problem = asProblem(error)
    }
  }

  /** Load all that the search has. */
  async all(): Promise<void> {
    while (this.next !== null && !this.problem) await this.more(LARGE)
  }

  /** An output is gone. */
  forget(id: string): void {
    this.stored = this.stored.filter((summary) => summary.id !== id)
  }

  /** The tags of a recording have changed. */
  tagged(id: string, tags: readonly string[]): void {
    this.stored = this.stored.map((summary) => (summary.id === id ? { ...summary, tags: [...tags] } : summary))
  }

  #page(after: string | null, limit: number): Promise<{ outputs: Summary[]; next: string | null }> {
    const { name, emotion, since, until, tag } = search
    const query = {
      limit,
      ...(name && { name }),
      ...(emotion && { emotion }),
      ...(tag && { tag }),
      ...(since && { since: new Date(`${since}T00:00`).toISOString() }),
      ...(until && { until: dayAfter(until) }),
      ...(after && { after }),
    }
    return ask(api.GET('/v1/outputs', { params: { query } }))
  }
}

/** The end of a day, in the reader's time zone. */
function dayAfter(day: string): string {
  const end = new Date(`${day}T00:00`)
  end.setDate(end.getDate() + 1)
  return end.toISOString()
}

function entry(stored: Summary | null, item: Item | null): Entry {
  const words = preferences.words
  const summary = stored && preferences.side(stored, without)
  const said = summary && gist(summary, labelled)
  const output = item?.output ?? stored?.id ?? null
  const channel = item?.channel ?? channelOf(output)
  const name = item?.name || stored?.name || words.history.unnamed
  return {
    key: item?.key ?? 0,
    id: output ?? `item ${item?.key}`,
    item,
    name: channel === null ? name : `${name} (${words.result.channel(channel)})`,
    channel,
    created: stored?.created_at ?? null,
    tags: stored?.tags ?? [],
    withheld: stored?.policy?.inferred === false,
    state: item?.state ?? 'done',
    emotion: summary?.emotion ?? null,
    label: said?.label ?? null,
    confidence: said?.share ?? null,
    duration: stored?.duration ?? null,
    scores: summary?.scores ?? null,
    readouts: summary?.readouts ?? {},
    model: stored?.model ?? null,
    output,
    // Relative to itself a whole isn't moved.
    baseline: (preferences.relative && summary?.scores_without && item?.asked?.baseline) || null,
    warnings: stored?.warnings ?? [],
    problem: item?.problem ? explained(item.problem, words) : null,
  }
}

/** The channel that was recognised by itself, from the id of its outputs. */
function channelOf(id: string | null): number | null {
  const channel = /_channel(\d+)/.exec(id ?? '')?.[1]
  return channel ? Number(channel) : null
}

/** What stands for one where there is a line for it: what leads; of one with several emotions, those. */
export function heading(entry: Entry): { emotion: Emotion | null; label: string; share: number | null } {
  const mix = entry.output === null ? [] : ribbons.mix(entry.output)
  if (mix.length > 1)
    return { emotion: mix[0] ?? null, label: mix.map(labelled).join(preferences.words.frame.and), share: null }
  const { emotion, label, withheld, confidence } = entry
  const { frame, result } = preferences.words
  return { emotion, label: label ?? (withheld ? frame.talkTime : result.embeddings), share: confidence }
}

function labelled(name: Emotion): string {
  const emotion = service.byName.get(name)
  return emotion ? preferences.label(emotion) : name
}

export const recordings = new Recordings()
