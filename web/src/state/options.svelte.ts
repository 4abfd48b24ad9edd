/** What the reader asks of a recognition. */
import type { RecognitionQuery } from '../api/types'

/** The options of a request that aren't the service's own choice. */
export type Asked = Pick<
  RecognitionQuery,
  'granularity' | 'embedding' | 'segments' | 'speech_only' | 'model' | 'precision'
>

export const PRECISIONS = ['auto', 'fp32', 'bf16', 'fp16', 'int8'] as const

class Options {
  granularity = $state<'utterance' | 'frame'>('frame')
  embedding = $state(false)
  segments = $state(true)
  speechOnly = $state(false)
  precision = $state<(typeof PRECISIONS)[number]>('auto')
  /** By name; empty: the service's own choice. */
  model = $state('')

  asked(): Asked {
    return {
      granularity: this.granularity,
      ...(this.embedding && { embedding: true }),
      ...(this.segments && { segments: true }),
      ...(this.speechOnly && { speech_only: true }),
      ...(this.precision !== 'auto' && { precision: this.precision }),
      ...(this.model && { model: this.model as NonNullable<Asked['model']> }),
    }
  }
}

export const options = new Options()
