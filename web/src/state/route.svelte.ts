/** Which view is shown: the part of the address after #. */
import { search } from './history.svelte'

export type Route =
  | { view: 'recognise' }
  | { view: 'history'; query: string }
  | { view: 'insights' }
  | { view: 'output'; id: string; at: number | null }
  | { view: 'compare'; ids: readonly string[] }

/** The route that a hash names; anything unknown is the start. */
export function parse(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?')
  const [view, one, ...others] = path.split('/')
  if (view === 'history') return { view, query }
  if (view === 'insights') return { view }
  if (view === 'output' && one) {
    const at = Number(new URLSearchParams(query).get('t') ?? NaN)
    return { view, id: one, at: Number.isFinite(at) ? at : null }
  }
  if (view === 'compare' && one && others.length) return { view, ids: [one, ...others].filter(Boolean) }
  return { view: 'recognise' }
}

class Router {
  current = $state.raw<Route>({ view: 'recognise' })

  #path: string | undefined

  begin(): void {
    this.#path = location.hash.split('?')[0]
    this.#go()
    addEventListener('hashchange', () => {
      const path = location.hash.split('?')[0]
      this.#go()
      if (path !== this.#path) scrollTo(0, 0) // the same with another search is the same place
      this.#path = path
    })
  }

  #go(): void {
    this.current = parse(location.hash)
    if (this.current.view === 'history' && location.hash.includes('?')) search.read(this.current.query)
  }
}

export const router = new Router()
