/** The recordings that were handed over: each on its way to the service, among its jobs, or finished. */
import { api, ask, send } from '../api/client'
import { asProblem, fromDetails, ProblemError } from '../api/problem'
import type { BatchView, JobView, Summary } from '../api/types'
import { mayHavePicture } from '../lib/files'
import { store, stored, storedInTab, storeInTab } from '../lib/storage'
import { estimate } from './estimate.svelte'
import type { Asked } from './options.svelte'
import { service } from './service.svelte'

const UPLOADS = 3 // at once
const BREAKS = 3 // of one upload, although the service is there
const LOOK = 250 // milliseconds between looks at few jobs
const LOOK_MANY = 800

export type State =
  'waiting' | 'uploading' | 'held' | 'offline' | 'queued' | 'running' | 'done' | 'failed' | 'cancelled'

export const FINISHED: ReadonlySet<State> = new Set<State>(['done', 'failed', 'cancelled'])

export interface Chosen {
  readonly file: File
  readonly name: string
  /** Of a recording that is stored by channel already. */
  readonly channel?: number | null
}

export class Item {
  state = $state<State>('waiting')
  /** 0 to 1, of what it is at. */
  progress = $state(0)
  job = $state.raw<JobView | null>(null)
  summary = $state.raw<Summary | null>(null)
  problem = $state.raw<ProblemError | null>(null)
  /** Seconds that sending it took. */
  sent = $state<number | null>(null)
  /** Seconds until it is sent again. */
  wait = $state(0)
  stop = new AbortController()
  /** What the sides of one call have in common; null: it is none. */
  call: string | null = null
  /** If it is known before there is a job. */
  #channel: number | null
  /** The file, if it may have a picture: as long as the tab is there, for nobody stores it. */
  readonly picture: File | null

  constructor(
    readonly key: number,
    readonly name: string,
    readonly size: number | null,
    public asked: Asked | null,
    public file: File | null,
    channel: number | null = null,
  ) {
    this.#channel = channel
    this.picture = file && mayHavePicture(file) ? file : null
  }

  /** The one that is heard by itself, from 1. */
  get channel(): number | null {
    return this.#channel ?? this.job?.channel ?? this.summary?.channel ?? null
  }

  get output(): string | null {
    return this.job?.output ?? this.summary?.id ?? null
  }
}

class Queue {
  items = $state<Item[]>([])
  selected = $state.raw<Item | null>(null)
  #next = 0
  #uploading = 0
  #looking = false
  #resumed = false

  readonly finished = $derived(this.items.filter((item) => FINISHED.has(item.state)).length)

  /** Hand recordings over; the first of them is shown. `call`: that they are sides of. */
  add(chosen: readonly Chosen[], asked: Asked, call: string | null = null): Item[] {
    const items = chosen.map(
      ({ file, name, channel }) => new Item(this.#next++, name, file.size, asked, file, channel),
    )
    for (const item of items) item.call = call
    this.items.push(...items)
    this.selected = items[0] ?? null
    this.#upload()
    return items
  }

  /** Take in a recording that is stored already: what was spoken into the microphone. */
  async adopt(output: string, asked: Asked): Promise<void> {
    const summary = await ask(api.GET('/v1/outputs/{id_}', { params: { path: { id_: output } } }))
    const item = new Item(this.#next++, summary.name ?? '', null, asked, null)
    item.summary = summary
    item.state = 'done'
    this.items.push(item)
    this.selected = item
  }

  /** Jobs that were begun before the page was loaded: this tab's, finished or not, and this browser's that went on. */
  async resume(): Promise<void> {
    const own = remembered()
    const jobs = new Map<string, JobView>()
    const gone = await listed(new Set(own.keys()), (job) => jobs.set(job.id, job))
    for (const [id, asked] of own) {
      const job = jobs.get(id)
      if (!job || this.items.some((item) => item.job?.id === id)) continue
      const item = new Item(this.#next++, job.name ?? job.id, null, asked, null)
      this.#see(item, job)
      this.items.push(item)
    }
    this.#resumed = true
    this.#keep(gone)
    this.selected ??= this.items[0] ?? null
    void this.#follow()
  }

  cancel(item: Item): void {
    if (FINISHED.has(item.state)) return
    item.stop.abort()
    if (item.job) {
      const request = api.DELETE('/v1/jobs/{id_}', { params: { path: { id_: item.job.id } } })
      void ask(request).then(
        (job) => this.#see(item, job),
        () => {
          item.state = 'queued' // until it is known what has become of it
          void this.#follow()
        },
      )
    }
    item.state = 'cancelled'
  }

  /** How many sides of its call are there, which belong beside it as soon as they are. */
  sides(item: Item | null): number {
    if (!item?.call) return 0
    return this.items.filter(({ call, state }) => call === item.call && state === 'done').length
  }

  cancelAll(): void {
    for (const item of this.items) this.cancel(item)
  }

  again(item: Item): void {
    if (!item.file) return
    item.stop = new AbortController()
    Object.assign(item, { state: 'waiting', progress: 0, job: null, problem: null })
    this.#upload()
  }

  clear(): void {
    this.items = this.items.filter((item) => !FINISHED.has(item.state))
    if (this.selected && !this.items.includes(this.selected)) this.selected = this.items[0] ?? null
    this.#keep()
  }

  /** An output was deleted. */
  forget(output: string): void {
    this.items = this.items.filter((item) => item.output !== output)
    if (this.selected?.output === output) this.selected = this.items[0] ?? null
    this.#keep()
  }

  /** The jobs, for this tab to find them again when it is loaded anew; and for others of this browser until they end. */
  #keep(gone: ReadonlySet<string> = new Set()): void {
    const all = new Map(
      this.items.flatMap(({ job, asked }): [string, Asked | null][] => (job ? [[job.id, asked]] : [])),
    )
    const ended = new Set(this.items.flatMap(({ job, state }) => (job && FINISHED.has(state) ? [job.id] : [])))
    const others = jobsIn(stored('jobs'))
    const running = [...others, ...all].filter(([id]) => !ended.has(id) && !gone.has(id))
    // What couldn't be asked for yet must not be forgotten.
    storeInTab('jobs', JSON.stringify([...(this.#resumed ? all : new Map([...remembered(), ...all]))]))
    store('jobs', JSON.stringify([...new Map(running)]))
  }

  #upload(): void {
    while (this.#uploading < UPLOADS) {
      const item = this.items.find((item) => item.state === 'waiting')
      if (!item) return
      this.#uploading++
      item.state = 'uploading'
      void this.#send(item).finally(() => {
        this.#uploading--
        this.#upload()
      })
    }
  }

  async #send(item: Item): Promise<void> {
    let breaks = 0
    const { signal } = item.stop // the item gets another one when it is sent again
    while (item.file && !signal.aborted) {
      const form = new FormData()
      for (const [name, value] of Object.entries(item.asked ?? {})) form.append(name, String(value))
      form.append('file', item.file, item.name)
      item.state = 'uploading'
      const began = performance.now()
      try {
        const answer = await send<JobView | BatchView>(
          item.asked?.split_channels ? '/v1/batches' : '/v1/recognitions',
          form,
          { Prefer: 'respond-async' },
          (share) => (item.progress = share),
          signal,
        )
        item.sent = (performance.now() - began) / 1000
        this.#accepted(item, 'jobs' in answer ? answer.jobs : [answer])
        this.#keep()
        void this.#follow()
        return
      } catch (error) {
        if (signal.aborted) return
        const problem = asProblem(error)
        if (problem.kind === 'gone' && ++breaks === BREAKS) {
          item.problem = new ProblemError('upload-breaks', 0, '')
          item.state = 'failed'
          return
        }
        if (problem.kind === 'gone') {
          item.state = 'offline'
          await service.there()
        } else if (problem.kind === 'key-needed') {
          item.state = 'offline'
          await until(() => !service.keyWanted)
        } else if ((problem.status === 503 || problem.status === 429) && problem.retryAfter !== null) {
          await this.#hold(item, problem.retryAfter, signal)
        } else {
          item.problem = problem
          item.state = 'failed'
          return
        }
      }
    }
  }

  /** What was sent has become jobs, one for each channel: from here on each is an item of its own. */
  #accepted(item: Item, jobs: readonly JobView[]): void {
    const { name, size, file, sent } = item
    const { split_channels: _, ...asked } = item.asked ?? {}
    const items = jobs.map((job, index) => {
      const one = index ? new Item(this.#next++, name, size, null, file) : item
      one.asked = { ...asked, ...(job.channel && { channel: job.channel }) }
      one.sent = sent
      if (jobs.length > 1) one.call = job.batch ?? null
      this.#see(one, job)
      return one
    })
    this.items.splice(this.items.indexOf(item) + 1, 0, ...items.slice(1))
  }

  async #hold(item: Item, seconds: number, signal: AbortSignal): Promise<void> {
    item.state = 'held'
    for (item.wait = Math.max(1, seconds); item.wait > 0; item.wait--) {
      await sleep(1000)
      if (signal.aborted) return
    }
  }

  /** Look at the jobs until all have ended. */
  async #follow(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      for (;;) {
        const active = this.items.filter((item) => item.job && !FINISHED.has(item.state))
        if (!active.length) break
        try {
          if (active.length <= 3) await Promise.all(active.map((item) => this.#lookAt(item)))
          else await this.#lookAtMany(active)
          await this.#summarise()
          this.#keep()
        } catch {
          await service.there()
          await until(() => !service.keyWanted)
        }
        await sleep(active.length <= 3 ? LOOK : LOOK_MANY)
      }
      await this.#summarise().catch(() => undefined)
    } finally {
      this.#looking = false
    }
  }

  async #lookAt(item: Item): Promise<void> {
    const id = item.job?.id
    if (!id) return
    try {
      this.#see(item, await ask(api.GET('/v1/jobs/{id_}', { params: { path: { id_: id } } })))
    } catch (error) {
      const problem = asProblem(error)
      if (problem.status !== 404) throw problem
      item.problem = problem
      item.state = 'failed'
    }
  }

  async #lookAtMany(active: readonly Item[]): Promise<void> {
    const items = new Map(active.map((item) => [item.job?.id ?? '', item]))
    const missing = await listed(new Set(items.keys()), (job) => {
      const item = items.get(job.id)
      if (item) this.#see(item, job)
    })
    for (const id of missing) {
      const item = items.get(id)
      if (item) await this.#lookAt(item)
    }
  }

  /** Fetch what was recognised, for the table. */
  async #summarise(): Promise<void> {
    const missing = this.items.filter((item) => item.state === 'done' && !item.summary && item.job?.output)
    if (missing.length > 3) {
      const wanted = new Map(missing.map((item) => [item.job?.output ?? '', item]))
      let after: string | null = null
      for (let pages = 0; wanted.size && pages < 6; pages++) {
        const query: { limit: number; after?: string } = after ? { limit: 200, after } : { limit: 200 }
        const page = await ask(api.GET('/v1/outputs', { params: { query } }))
        for (const summary of page.outputs) {
          const item = wanted.get(summary.id)
          if (item) this.#sum(item, summary)
          wanted.delete(summary.id)
        }
        after = page.next
        if (!after) break
      }
    }
    for (const item of missing.filter((item) => !item.summary)) {
      const id_ = item.job?.output ?? ''
      try {
        this.#sum(item, await ask(api.GET('/v1/outputs/{id_}', { params: { path: { id_ } } })))
      } catch (error) {
        const problem = asProblem(error)
        if (problem.status !== 404) throw problem
        item.problem = problem
        item.state = 'failed'
      }
    }
  }

  #sum(item: Item, summary: Summary): void {
    item.summary = summary
    if (item.job) estimate.learn(item.job, summary.duration)
  }

  #see(item: Item, job: JobView): void {
    if (item.state === 'cancelled' && job.state !== 'done') return
    item.job = job
    item.progress = job.progress
    item.state = job.state
    item.problem = job.problem && FINISHED.has(job.state) ? fromDetails(job.problem) : null // else it waits for it to pass
    if (job.state === 'done') item.file = null // no need to hold on to it
  }
}

/** Find jobs among all, newest first; gives the ids that aren't there. */
async function listed(wanted: Set<string>, found: (job: JobView) => void): Promise<Set<string>> {
  let before: number | undefined
  while (wanted.size) {
    const query = before === undefined ? { limit: 200 } : { limit: 200, before }
    const page = await ask(api.GET('/v1/jobs', { params: { query } }))
    for (const job of page.jobs) if (wanted.delete(job.id)) found(job)
    const next = /before=(\d+)/.exec(page.next ?? '')
    if (!next) break
    before = Number(next[1])
  }
  return wanted
}

/** What this tab and this browser remember: ids of jobs with what was asked of them. */
function remembered(): Map<string, Asked | null> {
  return new Map([...jobsIn(storedInTab('jobs')), ...jobsIn(stored('jobs'))])
}

function jobsIn(text: string | null): Map<string, Asked | null> {
  try {
    const jobs: unknown = JSON.parse(text ?? '[]')
    if (!Array.isArray(jobs)) return new Map()
    return new Map(
      jobs.filter(
        (job: unknown): job is [string, Asked | null] => Array.isArray(job) && typeof job[0] === 'string',
      ),
    )
  } catch {
    return new Map()
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => window.setTimeout(resolve, milliseconds))
}

async function until(true_: () => boolean): Promise<void> {
  while (!true_()) await sleep(500)
}

export const queue = new Queue()
