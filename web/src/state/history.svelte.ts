/** What the reader looks for in the history, and has chosen there: kept while a result is looked at. */
import { SvelteMap } from 'svelte/reactivity'
import type { Emotion } from '../api/types'

class HistorySearch {
  name = $state('')
  emotion = $state<Emotion | ''>('')
  since = $state('')
  until = $state('')
  /** Ids with names: they stay chosen when the search changes. */
  readonly chosen = new SvelteMap<string, string>()

  readonly filtered = $derived(!!(this.name || this.emotion || this.since || this.until))

  reset(): void {
    Object.assign(this, { name: '', emotion: '', since: '', until: '' })
  }
}

export const search = new HistorySearch()
