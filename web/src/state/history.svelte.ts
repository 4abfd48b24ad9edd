/** What the reader looks for in the list of recordings, and has chosen there: kept while a result is looked at. */
import { SvelteMap } from 'svelte/reactivity'
import type { BaselineWithout, Emotion } from '../api/types'
import type { Column } from '../lib/table'
import type { State } from './queue.svelte'

const COLUMNS: readonly Column[] = ['name', 'emotion', 'confidence', 'duration', 'state', 'created']

/** What an address can say of it. */
interface Sought {
  name: string
  emotion: Emotion | ''
  state: State | ''
  tag: string
  flag: string
  since: string
  until: string
  sort: Column | null
  descending: boolean
}

const NOTHING: Sought = {
  name: '',
  emotion: '',
  state: '',
  tag: '',
  flag: '',
  since: '',
  until: '',
  sort: null,
  descending: false,
}

class HistorySearch implements Sought {
  name = $state('')
  emotion = $state<Emotion | ''>('')
  state = $state<State | ''>('')
  tag = $state('')
  flag = $state('')
  since = $state('')
  until = $state('')
  sort = $state<Column | null>(null)
  descending = $state(false)
  /** Ids with names: they stay chosen when the search changes. */
  readonly chosen = new SvelteMap<string, string>()

  /** What became of the baselines that deleted recordings were in, by name. */
  readonly baselines = new SvelteMap<string, BaselineWithout>()

  readonly filtered = $derived(
    !!(this.name || this.emotion || this.state || this.tag || this.flag || this.since || this.until),
  )

  /** As it stands in an address, after `?`; empty: nothing is sought. */
  readonly address = $derived.by(() => {
    const query = new URLSearchParams()
    for (const key of ['name', 'emotion', 'state', 'tag', 'flag', 'since', 'until'] as const)
      if (this[key]) query.set(key, this[key])
    if (this.sort) query.set('sort', `${this.descending ? '-' : ''}${this.sort}`)
    return query.toString()
  })

  reset(): void {
    const { sort, descending } = this
    Object.assign(this, NOTHING, { sort, descending })
  }

  /** Take what an address says. */
  read(query: string): void {
    if (query === this.address) return
    const given = new URLSearchParams(query)
    const sort = given.get('sort') ?? ''
    Object.assign(this, NOTHING, {
      ...Object.fromEntries([...given].filter(([key]) => key in NOTHING && key !== 'descending')),
      sort: COLUMNS.find((column) => column === sort.replace('-', '')) ?? null,
      descending: sort.startsWith('-'),
    })
  }

  /** Whether a recording that isn't stored yet, or has just been, is among what is sought. */
  fits(one: {
    readonly name: string
    readonly state: string
    readonly emotion: Emotion | null
    readonly tags: readonly string[]
    readonly created: string | null
    readonly flagged: Readonly<Record<string, unknown>>
  }): boolean {
    const day = one.created ? new Date(one.created) : new Date()
    return (
      one.name.toLocaleLowerCase().includes(this.name.toLocaleLowerCase()) &&
      (!this.emotion || one.emotion === this.emotion) &&
      (!this.state || one.state === this.state) &&
      (!this.tag || one.tags.includes(this.tag)) &&
      (!this.flag || this.flag in one.flagged) &&
      (!this.since || day >= new Date(`${this.since}T00:00`)) &&
      (!this.until || day <= new Date(`${this.until}T23:59:59.999`))
    )
  }
}

export const search = new HistorySearch()
