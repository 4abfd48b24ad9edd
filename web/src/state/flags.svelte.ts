/** The flags that are kept by the service: named rules that find moments, for everybody. */
import { api, ask } from '../api/client'
import type { FlagView } from '../api/types'
import { search } from './history.svelte'
import { recordings } from './recordings.svelte'

class Flags {
  all = $state.raw<readonly FlagView[]>([])

  async load(): Promise<void> {
    this.all = (await ask(api.GET('/v1/archive/flags'))).flags
  }

  /** Keep a rule; then the list shows what it finds. */
  async put(name: string, rule: string): Promise<void> {
    await ask(api.PUT('/v1/archive/flags/{flag}', { params: { path: { flag: name } }, body: { rule } }))
    await this.#changed()
  }

  async remove(name: string): Promise<void> {
    await ask(api.DELETE('/v1/archive/flags/{flag}', { params: { path: { flag: name } } }))
    if (search.flag === name) search.flag = ''
    await this.#changed()
  }

  async #changed(): Promise<void> {
    await this.load()
    await recordings.load()
  }
}

export const flags = new Flags()
