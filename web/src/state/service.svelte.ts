/** What the page knows of the service: whether it is there, what it can do, and whether it wants a key. */
import { api, ask, events, onFailure } from '../api/client'
import { asProblem, fromAnswer, fromDetails, ProblemError } from '../api/problem'
import type {
  BaselineView,
  Emotion,
  EmotionView,
  ExampleView,
  ExportView,
  HeadView,
  ModelView,
  PolicyView,
  ProblemDetails,
} from '../api/types'
import { nine } from '../lib/readouts'
import { preferences } from './preferences.svelte'

const CALM = 10_000 // milliseconds between looks while all is well
const EAGER = 1_000
const PATIENCE = 15_000 // for an answer that takes the service no work

export interface Pull {
  done: number
  total: number | null
  state: 'running' | 'done' | 'failed'
  problem: ProblemError | null
}

class Service {
  /** Whether it runs on the reader's own machine. */
  readonly local = ['localhost', '127.0.0.1', '[::1]'].includes(globalThis.location?.hostname)
  reachable = $state(true)
  /** Whether it has just come back. */
  back = $state(false)
  ready = $state(true)
  /** Why it will not be ready, if that is so. */
  trouble = $state.raw<ProblemError | null>(null)
  keyWanted = $state(false)
  /** Whether it was given a key that it can be made to forget. */
  keyGiven = $state(false)
  emotions = $state.raw<EmotionView[]>([])
  models = $state.raw<ModelView[]>([])
  heads = $state.raw<HeadView[]>([])
  baselines = $state.raw<BaselineView[]>([])
  examples = $state.raw<ExampleView[]>([])
  exports = $state.raw<ExportView[]>([])
  /** Of whose voice it infers emotions; null: not known yet. */
  policy = $state.raw<PolicyView | null>(null)
  pulls = $state<Record<string, Pull>>({})

  /** The nine emotions, as they are drawn for this reader. */
  readonly nine = $derived(nine(this.emotions, (emotion) => preferences.label(emotion), preferences.dark))
  readonly byName = $derived(new Map(this.emotions.map((emotion) => [emotion.name as Emotion, emotion])))

  #waiting: (() => void)[] = []
  #timer = 0

  begin(): void {
    onFailure((problem) => {
      if (problem.kind === 'gone') this.#lost()
      if (problem.kind === 'key-needed') this.keyWanted = true
    })
    void this.#learn()
    this.#look(EAGER)
  }

  /** Resolves once it can be reached. */
  there(): Promise<void> {
    return this.reachable ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Begin a session with a key; gives what is wrong with that, or null. */
  async enter(key: string): Promise<ProblemError | null> {
    const answer = await fetch('/v1/session', { method: 'POST', headers: { Authorization: `Bearer ${key}` } })
    if (!answer.ok) return fromAnswer(answer.status, await answer.json().catch(() => null), null)
    this.keyWanted = false
    await this.#learn()
    return null
  }

  async forget(): Promise<void> {
    await fetch('/v1/session', { method: 'DELETE' })
    location.reload()
  }

  async loadModels(): Promise<void> {
    this.models = await ask(api.GET('/v1/models'))
  }

  async loadBaselines(): Promise<void> {
    this.baselines = await ask(api.GET('/v1/baselines'))
  }

  async loadHeads(): Promise<void> {
    this.heads = await ask(api.GET('/v1/heads'))
  }

  /** Download a model, with its progress in `pulls`. */
  async pull(name: string): Promise<void> {
    if (this.pulls[name]?.state === 'running') return
    this.pulls[name] = { done: 0, total: null, state: 'running', problem: null }
    const pull = this.pulls[name]
    try {
      for await (const { kind, data } of events(`/v1/models/${encodeURIComponent(name)}/pull`)) {
        if (kind === 'progress') Object.assign(pull, data)
        else if (kind === 'failed') throw fromDetails(data as ProblemDetails)
        else if (kind === 'done') pull.state = 'done'
      }
      if (pull.state !== 'done') throw asProblem('the download broke off')
      await this.loadModels()
    } catch (error) {
      pull.state = 'failed'
      pull.problem = asProblem(error)
    }
  }

  async #learn(): Promise<void> {
    try {
      const session = await ask(api.GET('/v1/session'))
      this.keyWanted = session.keys_needed && !session.known
      this.keyGiven = session.keys_needed && session.known
      this.emotions = []
      if (this.keyWanted) return
      ;[this.emotions, this.examples, this.heads, this.exports, this.policy] = await Promise.all([
        ask(api.GET('/v1/emotions')),
        ask(api.GET('/v1/examples')),
        ask(api.GET('/v1/heads')),
        ask(api.GET('/v1/exports')),
        ask(api.GET('/v1/policy')),
        this.loadModels(),
      ])
      await this.loadBaselines()
    } catch {
      // it is told of by `onFailure`, and tried again once the service is there
    }
  }

  #lost(): void {
    if (!this.reachable) return
    this.reachable = false
    this.back = false
    this.#look(EAGER)
  }

  #look(delay: number): void {
    clearTimeout(this.#timer)
    this.#timer = window.setTimeout(() => void this.#check(), delay)
  }

  async #check(): Promise<void> {
    const was = this.reachable
    try {
      const answer = await fetch('/readyz', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) })
      this.ready = answer.ok
      // While the model is being loaded it says when to look again; where that has failed it doesn't.
      const failed = !answer.ok && !answer.headers.has('retry-after')
      this.trouble = failed ? new ProblemError('model-failed', 503, await detailOf(answer)) : null
      this.reachable = true
    } catch {
      this.reachable = false
    }
    if (this.reachable && !was) {
      this.back = true
      window.setTimeout(() => (this.back = false), 4000)
      for (const resolve of this.#waiting.splice(0)) resolve()
    }
    if (this.reachable && (!was || !this.emotions.length) && !this.keyWanted) await this.#learn()
    this.#look(this.reachable && this.ready ? CALM : EAGER)
  }
}

async function detailOf(answer: Response): Promise<string> {
  const body = (await answer.json().catch(() => null)) as Partial<ProblemDetails> | null
  return body?.detail ?? ''
}

export const service = new Service()
