/** Which view is shown: the part of the address after #. */

export type Route =
  | { view: 'recognise' }
  | { view: 'history' }
  | { view: 'output'; id: string }
  | { view: 'compare'; one: string; other: string }

/** The route that a hash names; anything unknown is the start. */
export function parse(hash: string): Route {
  const [view, one, other] = hash.replace(/^#\/?/, '').split('/')
  if (view === 'history') return { view }
  if (view === 'output' && one) return { view, id: one }
  if (view === 'compare' && one && other) return { view, one, other }
  return { view: 'recognise' }
}

class Router {
  current = $state.raw<Route>({ view: 'recognise' })

  begin(): void {
    this.current = parse(location.hash)
    addEventListener('hashchange', () => {
      this.current = parse(location.hash)
      scrollTo(0, 0)
    })
  }
}

export const router = new Router()
