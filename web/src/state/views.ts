/** Views that are loaded when they are first looked at, so that the page begins light. */
import { api, ask } from '../api/client'
import { gone } from '../api/problem'
import { service } from './service.svelte'

const TRIES = 3

/** What `load` imports, even if the service is away just then. Raises a problem where it is there, but the file isn't. */
async function sure<T>(load: () => Promise<T>): Promise<T> {
  for (let tries = 0; tries < TRIES; tries++) {
    try {
      return await load()
    } catch {
      await ask(api.GET('/v1/session')).catch(() => undefined) // whether it is away
      if (!service.reachable) tries = 0
      await service.there()
    }
  }
  throw gone()
}

export const views = {
  history: () => sure(() => import('../views/History.svelte')),
  compare: () => sure(() => import('../views/Compare.svelte')),
  insights: () => sure(() => import('../views/Insights.svelte')),
}
