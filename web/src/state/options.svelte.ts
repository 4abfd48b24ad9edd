/** What the reader asks of a recognition. */
import type { BaselineView, BatchQuery, HeadView, ModelView, Side } from '../api/types'
import { fits } from '../lib/heads'
import { SELF } from '../lib/relative'
import { sidesOf, strictest } from '../lib/sides'
import { service } from './service.svelte'

/** The options of a request, by the names that the service gives them. */
export type Asked = Omit<BatchQuery, 'webhook'>
/** Those of what comes from the microphone, too. */
export type Inference = Pick<Asked, 'model' | 'head' | 'baseline' | 'expect' | 'side' | 'purpose' | 'consent'>
type Precision = NonNullable<Asked['precision']>

export const HALF = 50
const PRECISIONS: readonly Precision[] = ['auto', 'fp32', 'bf16', 'fp16', 'int8']

class Options {
  /** As the reader chose. What isn't here, or false, is as the service does by itself. */
  chosen = $state<Asked>({})
  precision = $state<Precision>('auto')
  /** By name; empty: the service's own choice. */
  model = $state('')
  /** By name; empty: none. */
  head = $state('')
  /** By name, or the recording itself; empty: none. */
  baseline = $state('')
  /** Share of neutral in its recordings, per cent; null: half, as the service takes it by itself. */
  neutral = $state<number | null>(null)
  /** Whose voice it is: of the recording, or of its first two channels by themselves; empty: nobody says. */
  sides = $state<[Side | '', Side | '']>(['', ''])
  /** What it is recognised for, and where the consent is kept; empty: nobody says. */
  purpose = $state('')
  consent = $state('')

  /** Whether only speech will count. Where nothing was said: of channels by themselves, as half a call is silence. */
  readonly bySpeech = $derived(this.chosen.speech_only ?? this.chosen.split_channels ?? false)
  /** The head that will be asked. */
  readonly chosenHead = $derived<HeadView | null>(
    service.heads.find((head) => head.name === this.head && fits(head, this.model)) ?? null,
  )
  /** The baseline that will be used. */
  readonly chosenBaseline = $derived<BaselineView | typeof SELF | null>(
    this.baseline === SELF
      ? SELF
      : (service.baselines.find((one) => one.name === this.baseline && fits(one, this.#asks)) ?? null),
  )
  /** The model that will be taken; null: one that has no name here. */
  readonly chosenModel = $derived<ModelView | null>(
    // Of itself the service might take another model than the head's.
    service.models.find(({ name }) => name === this.#needed) ??
      service.models.find((model) => model.default) ??
      null,
  )
  /** The precisions that it can be computed in; all where that isn't known. */
  readonly precisions = $derived(
    PRECISIONS.filter((one) => one === 'auto' || !this.chosenModel || this.chosenModel.precisions.includes(one)),
  )

  /** Whether something depends on what is declared of it. */
  get strict(): boolean {
    return !!service.policy && (service.policy.profile !== 'open' || service.policy.require.length > 0)
  }

  /** The model that a baseline must be of; empty: any. */
  get #asks(): string {
    return this.model || (this.chosenHead?.model ?? '')
  }

  /** The model that must be named; empty: the service's own will do. */
  get #needed(): string {
    const baseline = this.chosenBaseline
    return this.#asks || (baseline && baseline !== SELF ? baseline.model : '')
  }

  /** What recognises: also what comes from the microphone. */
  inference(): Inference {
    const [head, model] = [this.chosenHead, this.#needed]
    const baseline = this.chosenModel?.embeddings_only ? null : this.chosenBaseline // there is nothing to move
    const neutral = Math.min(100, Math.max(0, this.neutral ?? HALF))
    const side = this.chosen.split_channels ? strictest(this.sides, service.policy) : this.sides[0]
    const [purpose, consent] = [this.purpose.trim(), this.consent.trim()]
    return {
      ...(purpose && { purpose }),
      ...(consent && { consent }),
      ...(model && { model }),
      ...(head && { head: head.name }),
      ...(baseline && { baseline: baseline === SELF ? SELF : baseline.name }),
      ...(baseline && neutral !== HALF && { expect: expectation(neutral / 100) }),
      ...(side && { side }),
    }
  }

  asked(): Asked {
    const { split_channels } = this.chosen
    const side = sidesOf(this.sides, !!split_channels)
    return {
      ...(Object.fromEntries(Object.entries(this.chosen).filter(([, value]) => value)) as Asked),
      granularity: 'frame', // the card and the timeline are made of both
      segments: true,
      ...((this.bySpeech || split_channels) && { speech_only: this.bySpeech }),
      ...(this.precision !== 'auto' && this.precisions.includes(this.precision) && { precision: this.precision }),
      ...this.inference(),
      ...(side && { side }),
    }
  }
}

/** A share of neutral, as the service takes it. */
export function expectation(neutral: number): string {
  return `neutral=${Number(neutral.toFixed(4))}`
}

export const options = new Options()
