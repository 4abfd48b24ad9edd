/** The one list of recordings: those on their way or just ended, as they were handed over, then all that is stored. */
import { untrack } from 'svelte'
import { api, ask } from '../api/client'
import { asProblem, type ProblemError } from '../api/problem'
import type { Brief, Emotion, MomentView, Side, Summary } from '../api/types'
import { explained } from '../lib/explained'
import { gist } from '../lib/readouts'
import { without } from '../lib/relative'
import type { Row } from '../lib/table'
import { bin } from './bin.svelte'
import { search } from './history.svelte'
import { preferences } from './preferences.svelte'
import { type Item, queue } from './queue.svelte'
import { service } from './service.svelte'

const PAGE = 50
const LARGE = 200 // when all of them are wanted

/** A moment that a flag has found. */
export interface Flagged extends MomentView {
  readonly output: string
  readonly channel: number | null
}

/** A recording of the list. */
export interface Entry extends Row {
  readonly id: string // of the outputs, where there are some
  readonly item: Item | null // null: stored before
  readonly created: string | null
  readonly channel: number | null
  readonly plain: string // its name without the channel
  readonly declared: Side | null // whose voice it is
  readonly withheld: boolean // the policy allowed nothing but talk time
  readonly tags: readonly string[]
  readonly flagged: Readonly<Record<string, readonly Flagged[]>>
  /** The results of its channels, where those were recognised by themselves. */
  readonly sides: readonly Entry[]
}

/** The outputs that are meant by a line of the list. */
export function outputsOf({ output, sides }: Entry): string[] {
  return (sides.length ? sides.map((side) => side.output) : [output]).filter((id) => id !== null)
}

class Recordings {
  stored = $state.raw<readonly Summary[]>([])
  next = $state.raw<string | null>(null)
  loaded = $state(false)
  problem = $state.raw<ProblemError | null>(null)
  #latest = 0

  /** As the search has it, and in the order in which they came: what is on its way first, then the latest. */
  readonly entries = $derived.by((): Entry[] => {
    const every = this.stored.flatMap((summary) => [summary, ...(summary.others ?? [])])
    const known = new Map(every.map((summary) => [summary.id, { ...summary, others: null }]))
    const own = new Set(queue.items.map(({ output }) => output))
    const items = queue.items.map((item) => entry(known.get(item.output ?? '') ?? item.summary, item))
    // Where one side of a call is the queue's, the call is.
    const rest = this.stored.filter(({ id, call }) => !own.has(id) && !call?.some((other) => own.has(other)))
    const stored = rest.map((summary) => entry(summary, null))
    return [
      ...calls(items, known).filter((one) => search.fits(one)),
      ...stored.filter(({ state }) => !search.state || state === search.state),
    ].filter((one) => !outputsOf(one).some((id) => bin.has(id)))
  })

  /** Look for what the search has, again whenever it changes: for a component that shows the list. */
  follow(): void {
    $effect(() => {
      void [search.name, search.emotion, search.since, search.until, search.tag, search.flag]
      void preferences.relative // by which flags look
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

  /** How many recordings outputs are, as people count: both sides of a call are one. */
  count(ids: Pick<ReadonlySet<string>, 'has' | 'size'>): number {
    const more = (entry: Entry): number => Math.max(0, outputsOf(entry).filter((id) => ids.has(id)).length - 1)
    return this.entries.reduce((count, entry) => count - more(entry), ids.size)
  }

  /** An output is gone. */
  forget(id: string): void {
    this.stored = this.stored.flatMap((summary) => {
      if (!summary.call?.includes(id)) return summary.id === id ? [] : [summary]
      const [first, ...others] = [summary, ...(summary.others ?? [])].filter((one) => one.id !== id)
      const call = summary.call.filter((other) => other !== id)
      return first ? [{ ...first, others, call: call.length > 1 ? call : null }] : []
    })
  }

  /** The tags of a recording have changed. */
  tagged(id: string, tags: readonly string[]): void {
    const changed = (summary: Summary): Summary => {
      const own = summary.id === id || summary.call?.includes(id)
      const others = summary.others?.map(changed)
      return { ...summary, ...(own && { tags: [...tags] }), ...(others && { others }) }
    }
    this.stored = this.stored.map(changed)
  }

  #page(after: string | null, limit: number): Promise<{ outputs: Summary[]; next: string | null }> {
    const { name, emotion, since, until, tag, flag } = search
    const query = {
      limit,
      together: true,
      ...(flag && { flag }),
      ...(!preferences.relative && { raw: true }),
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

/** Entries of the queue with the channels of a recording, that were recognised by themselves, as one. */
function calls(entries: readonly Entry[], known: ReadonlyMap<string, Summary>): Entry[] {
  const call = new Map<string, readonly string[]>()
  for (const { output, item } of entries) {
    const ids = known.get(output ?? '')?.call ?? item?.summary?.call ?? []
    for (const id of ids) call.set(id, ids)
  }
  const own = new Map(entries.map((one) => [one.output, one]))
  const merged = new Set<string | null>()
  return entries.flatMap((one) => {
    if (merged.has(one.output)) return []
    const sides = (call.get(one.output ?? '') ?? []).flatMap((id) => {
      if (merged.has(id)) return [] // while the other channel of a new upload is on its way it is an earlier one's
      const summary = known.get(id)
      const side = own.get(id) ?? (summary && entry(summary, null))
      return side ? [side] : []
    })
    if (sides.length < 2) return [one]
    for (const side of sides) merged.add(side.output)
    return [together(one, sides)]
  })
}

/** The line of a call. */
function together(one: Entry, sides: readonly Entry[]): Entry {
  const [first = one] = sides
  const colon = preferences.language === 'zh' ? '：' : ': '
  const flagged: Record<string, Flagged[]> = {}
  for (const side of sides)
    for (const [flag, moments] of Object.entries(side.flagged))
      flagged[flag] = [...(flagged[flag] ?? []), ...moments].sort((a, b) => a.start - b.start)
  return {
    ...first,
    id: one.id,
    item: one.item,
    name: first.plain,
    channel: null,
    label: sides.map((side) => `${sideOf(side)}${colon}${heading(side).label}`).join(' · '),
    share: null,
    flagged,
    sides,
  }
}

/** What a side of a call is called: whose voice it is, or its number. */
function sideOf({ channel, declared }: Entry): string {
  const { sides, timeline } = preferences.words
  return (declared && sides.names[declared]) ?? timeline.side(channel ?? 1)
}

function entry(stored: Summary | null, item: Item | null): Entry {
  const words = preferences.words
  const summary = stored && preferences.side(stored, without)
  const said = summary && gist(summary, labelled)
  const brief = summary?.summary ?? null
  const output = item?.output ?? stored?.id ?? null
  const channel = item?.channel ?? stored?.channel ?? null
  const plain = item?.name || stored?.name || words.history.unnamed
  const moments = Object.entries(stored?.moments ?? {})
  const own: Entry = {
    key: item?.key ?? 0,
    id: output ?? `item ${item?.key}`,
    item,
    plain,
    name: channel === null ? plain : `${plain} (${words.result.channel(channel)})`,
    channel,
    declared: stored?.side ?? null,
    created: stored?.created_at ?? null,
    tags: stored?.tags ?? [],
    withheld: stored?.policy?.inferred === false,
    state: item?.state ?? 'done',
    emotion: summary?.emotion ?? null,
    confidence: summary?.confidence ?? null,
    label: brief ? titled(brief) : (said?.label ?? null),
    share: brief ? (brief.score ?? null) : (said?.share ?? null),
    lead: brief ? leadOf(brief) : (summary?.emotion ?? null),
    summary: brief,
    duration: stored?.duration ?? null,
    scores: summary?.scores ?? null,
    readouts: summary?.readouts ?? {},
    model: stored?.model ?? null,
    output,
    // Relative to itself a whole isn't moved.
    baseline: (preferences.relative && summary?.scores_without && item?.asked?.baseline) || null,
    warnings: stored?.warnings ?? [],
    problem: item?.problem && item.state !== 'done' ? explained(item.problem, words) : null,
    flagged: Object.fromEntries(
      moments.map(([flag, found]) => [flag, found.map((one) => ({ ...one, output: output ?? '', channel }))]),
    ),
    sides: [],
  }
  if (!stored?.others?.length) return own
  const sides = [own, ...stored.others.map((other) => entry(other, null))]
  return together(
    own,
    sides.sort((a, b) => (a.channel ?? 0) - (b.channel ?? 0)),
  )
}

/** The emotion that leads by a summary, if it is of the nine. */
function leadOf({ readout, classes }: Brief): Emotion | null {
  return readout == null ? ((classes[0] ?? null) as Emotion | null) : null
}

/** A headline, where a model's own classes stay as it spells them. */
function titled({ headline, readout }: Brief): string {
  const text = headline[preferences.language]
  return readout == null ? text.charAt(0).toUpperCase() + text.slice(1) : text
}

/** What stands for one where there is a line for it: what its speech comes to, or its emotion. */
export function heading(entry: Entry): { emotion: Emotion | null; label: string; share: number | null } {
  const { lead, label, withheld, share, item } = entry
  const { frame, result } = preferences.words
  if (label === null && item && !item.summary) return { emotion: lead, label: '', share } // it isn't known yet
  return { emotion: lead, label: label ?? (withheld ? frame.talkTime : result.embeddings), share }
}

function labelled(name: Emotion): string {
  const emotion = service.byName.get(name)
  return emotion ? preferences.label(emotion) : name
}

export const recordings = new Recordings()
