/** What was deleted a moment ago, and can still be had back: it is deleted for good when its time is over. */
import { api, ask } from '../api/client'
import { asProblem, type ProblemError } from '../api/problem'
import { search } from './history.svelte'
import { queue } from './queue.svelte'
import { service } from './service.svelte'

export const SECONDS = 10

class Bin {
  ids = $state.raw<readonly string[]>([])
  /** How many recordings they are. */
  count = $state(0)
  /** Seconds until they are gone. */
  left = $state(0)
  problem = $state.raw<ProblemError | null>(null)
  #refit = false
  #timer = 0
  #gone: (id: string) => void = () => undefined

  constructor() {
    // A page that goes takes nobody's decision back.
    globalThis.addEventListener?.('pagehide', () => this.#leave())
  }

  /** Whether an output is shown no more. */
  has(id: string): boolean {
    return this.ids.includes(id)
  }

  /** Delete outputs, ten seconds from now. `refit`: also take them out of the baselines that they are in. */
  put(ids: readonly string[], count: number, refit: boolean, gone: (id: string) => void): void {
    void this.empty()
    this.problem = null
    ;[this.ids, this.count, this.left, this.#refit, this.#gone] = [ids, count, SECONDS, refit, gone]
    for (const id of ids) search.chosen.delete(id)
    this.#timer = window.setInterval(() => {
      if (--this.left <= 0) void this.empty()
    }, 1000)
  }

  undo(): void {
    clearInterval(this.#timer)
    this.ids = []
  }

  /** Delete for good, now. */
  async empty(): Promise<void> {
    clearInterval(this.#timer)
    const [ids, refit, gone] = [this.ids, this.#refit, this.#gone]
    if (!ids.length) return
    search.baselines.clear()
    const left = new Set(ids)
    try {
      for (const id of ids) {
        await this.#delete(id, refit)
        left.delete(id)
        queue.forget(id)
        gone(id)
      }
    } catch (error) {
      this.problem = asProblem(error)
    } finally {
      if (this.ids === ids) this.ids = [] // what couldn't be deleted is there again
    }
    if (search.baselines.size) await service.loadBaselines()
  }

  async #delete(id: string, refit: boolean): Promise<void> {
    try {
      const query = { baselines: refit ? ('refit' as const) : ('keep' as const) }
      const deleted = await ask(api.DELETE('/v1/outputs/{id_}', { params: { path: { id_: id }, query } }))
      for (const one of deleted?.baselines ?? []) {
        const before = search.baselines.get(one.name)?.left ?? 0
        search.baselines.set(one.name, { ...one, left: one.left + before })
      }
    } catch (error) {
      const problem = asProblem(error)
      if (problem.status !== 404) throw problem
    }
  }

  #leave(): void {
    clearInterval(this.#timer)
    for (const id of this.ids)
      void fetch(`/v1/outputs/${id}?baselines=${this.#refit ? 'refit' : 'keep'}`, {
        method: 'DELETE',
        keepalive: true,
      })
    this.ids = []
  }
}

export const bin = new Bin()
