/** What the reader asks of a recognition. */
import type { HeadView, ModelView, RecognitionQuery } from '../api/types'
import { fits } from '../lib/heads'
import { service } from './service.svelte'

/** The options of a request that aren't the service's own choice. */
export type Asked = Pick<
  RecognitionQuery,
  'granularity' | 'embedding' | 'segments' | 'speech_only' | 'model' | 'precision'
> & { head?: string; channel?: number; split_channels?: boolean }

export const PRECISIONS = ['auto', 'fp32', 'bf16', 'fp16', 'int8'] as const

class Options {
  granularity = $state<'utterance' | 'frame'>('frame')
  embedding = $state(false)
  segments = $state(true)
  /** Whether only speech counts, as the reader says; null: nothing was said. */
  speechOnly = $state<boolean | null>(null)
  precision = $state<(typeof PRECISIONS)[number]>('auto')
  /** By name; empty: the service's own choice. */
  model = $state('')
  /** By name; empty: none. */
  head = $state('')
  /** Whether each channel is heard by itself. */
  splitChannels = $state(false)

  /** Whether only speech will count. Where nothing was said: of channels by themselves, as half a call is silence. */
  readonly bySpeech = $derived(this.speechOnly ?? this.splitChannels)
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
    const model = (this.model || head?.model) as Asked['model']
    return { ...(model && { model }), ...(head && { head: head.name }) }
  }

  asked(): Asked {
    return {
      granularity: this.granularity,
      ...(this.embedding && { embedding: true }),
      ...(this.segments && { segments: true }),
      ...((this.bySpeech || this.splitChannels) && { speech_only: this.bySpeech }),
      ...(this.precision !== 'auto' && this.precisions.includes(this.precision) && { precision: this.precision }),
      ...this.hearing(),
      ...(this.splitChannels && { split_channels: true }),
    }
  }
}

export const options = new Options()
