/** What the reader asks of a recognition. */
import type { RecognitionQuery } from '../api/types'
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
  speechOnly = $state(false)
  precision = $state<(typeof PRECISIONS)[number]>('auto')
  /** By name; empty: the service's own choice. */
  model = $state('')
  /** By name; empty: none. */
  head = $state('')
  /** Whether each channel is heard by itself. */
  splitChannels = $state(false)

  /** What hears: also for what comes from the microphone. */
  hearing(): Pick<Asked, 'model' | 'head'> {
    const head = service.heads.find(({ name }) => name === this.head)
    const asked = head && fits(head, this.model, service.models) ? head : null
    // Of itself the service might take another model than the head's.
    const model = (this.model || asked?.model) as Asked['model']
    return { ...(model && { model }), ...(asked && { head: asked.name }) }
  }

  asked(): Asked {
    return {
      granularity: this.granularity,
      ...(this.embedding && { embedding: true }),
      ...(this.segments && { segments: true }),
      ...(this.speechOnly && { speech_only: true }),
      ...(this.precision !== 'auto' && { precision: this.precision }),
      ...this.hearing(),
      ...(this.splitChannels && { split_channels: true }),
    }
  }
}

export const options = new Options()
