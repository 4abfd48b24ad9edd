/** What the reader looks for in the history, and has chosen there: kept while a result is looked at. */
import { SvelteMap } from 'svelte/reactivity'
import type { BaselineWithout, Emotion } from '../api/types'

class HistorySearch {
  name = $state('')
  emotion = $state<Emotion | ''>('')
  since = $state('')
  until = $state('')
  /** Ids with names: they stay chosen when the search changes. */
  readonly chosen = new SvelteMap<string, string>()

  /** What became of the baselines that deleted recordings were in, by name. */
  readonly baselines = new SvelteMap<string, BaselineWithout>()

  readonly filtered = $derived(!!(this.name || this.emotion || this.since || this.until))

  reset(): void {
    Object.assign(this, { name: '', emotion: '', since: '', until: '' })
  }
}

export const search = new HistorySearch()
