/** What the reader asks of a recognition. */
import type { BatchQuery, HeadView, ModelView } from '../api/types'
import { fits } from '../lib/heads'
import { service } from './service.svelte'

/** The options of a request, by the names that the service gives them. */
export type Asked = Omit<BatchQuery, 'webhook'>
type Precision = NonNullable<Asked['precision']>

const PRECISIONS: readonly Precision[] = ['auto', 'fp32', 'bf16', 'fp16', 'int8']

class Options {
  /** As the reader chose. What isn't here, or false, is as the service does by itself. */
  chosen = $state<Asked>({ granularity: 'frame', segments: true })
  precision = $state<Precision>('auto')
  /** By name; empty: the service's own choice. */
  model = $state('')
  /** By name; empty: none. */
  head = $state('')

  /** Whether only speech will count. Where nothing was said: of channels by themselves, as half a call is silence. */
  readonly bySpeech = $derived(this.chosen.speech_only ?? this.chosen.split_channels ?? false)
  /** The head that will be asked. */
  readonly chosenHead = $derived<HeadView | null>(
    service.heads.find((head) => head.name === this.head && fits(head, this.model)) ?? null,
  )
  /** The model that will be taken; null: one that has no name here. */
  readonly chosenModel = $derived<ModelView | null>(
    // Of itself the service might take another model than the head's.
    service.models.find(({ name }) => name === (this.model || this.chosenHead?.model)) ??
      service.models.find((model) => model.default) ??
      null,
  )
  /** The precisions that it can be computed in; all where that isn't known. */
  readonly precisions = $derived(
    PRECISIONS.filter((one) => one === 'auto' || !this.chosenModel || this.chosenModel.precisions.includes(one)),
  )

  /** What hears: also for what comes from the microphone. */
  hearing(): Pick<Asked, 'model' | 'head'> {
    const head = this.chosenHead
    const model = this.model || head?.model
    return { ...(model && { model }), ...(head && { head: head.name }) }
  }

  asked(): Asked {
    const { split_channels } = this.chosen
    return {
      ...(Object.fromEntries(Object.entries(this.chosen).filter(([, value]) => value)) as Asked),
      ...((this.bySpeech || split_channels) && { speech_only: this.bySpeech }),
      ...(this.precision !== 'auto' && this.precisions.includes(this.precision) && { precision: this.precision }),
      ...this.hearing(),
    }
  }
}

export const options = new Options()
