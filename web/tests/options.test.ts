import { afterEach, describe, expect, it, vi } from 'vitest'
import type { BaselineView, HeadView, ModelView } from '../src/api/types'
import { fits } from '../src/lib/heads'

vi.stubGlobal('location', { origin: 'http://localhost' })
const { options } = await import('../src/state/options.svelte')
const { service } = await import('../src/state/service.svelte')

const model = (name: string, precisions: ModelView['precisions'], more: Partial<ModelView> = {}): ModelView =>
  ({
    name,
    precisions,
    installed: precisions.length > 0,
    default: false,
    embeddings_only: false,
    ...more,
  }) as ModelView
const head = (name: string, model: string, usable: boolean): HeadView => ({ name, model, usable }) as HeadView
const models = [
  model('lite', ['fp32', 'bf16'], { default: true }),
  model('large', ['fp32', 'int8']),
  model('far', []),
]
const [calls, old] = [head('calls', 'lite', true), head('old', 'lite', false)]

describe('heads', () => {
  it('can be asked where their model is the chosen one, or can be taken', () => {
    expect([fits(calls, ''), fits(calls, 'lite'), fits(calls, 'large')]).toEqual([true, true, false])
    expect([fits(old, ''), fits(old, 'lite')]).toEqual([false, false]) // its model has changed since
  })
})

describe('what is asked', () => {
  afterEach(() =>
    Object.assign(options, {
      chosen: { granularity: 'frame', segments: true },
      model: '',
      head: '',
      baseline: '',
      neutral: null,
      precision: 'auto',
    }),
  )

  it('is a head with its model, and none that the model doesn’t fit', () => {
    Object.assign(service, { models, heads: [calls, old] })
    expect(options.inference()).toEqual({})
    options.head = 'calls'
    expect(options.inference()).toEqual({ model: 'lite', head: 'calls' })
    options.model = 'large'
    expect(options.inference()).toEqual({ model: 'large' })
    for (const name of ['gone', 'old']) {
      Object.assign(options, { model: '', head: name })
      expect(options.inference()).toEqual({})
    }
  })
  it('is a baseline with its model, and none that the model or the head doesn’t fit', () => {
    const line3 = { name: 'line3', model: 'lite', usable: true } as BaselineView
    const gone = { name: 'gone', model: 'far', usable: false } as BaselineView
    Object.assign(service, { models, heads: [calls, head('moods', 'large', true)], baselines: [line3, gone] })
    expect(options.inference()).toEqual({})
    options.baseline = 'line3'
    expect(options.asked()).toMatchObject({ model: 'lite', baseline: 'line3' })
    expect(options.asked()).not.toHaveProperty('expect')
    expect(options.chosenModel?.name).toBe('lite')
    options.neutral = 80
    expect(options.inference()).toEqual({ model: 'lite', baseline: 'line3', expect: 'neutral=0.8' })
    options.neutral = 500
    expect(options.inference().expect).toBe('neutral=1')
    options.neutral = 50
    expect(options.inference()).not.toHaveProperty('expect')
    options.head = 'moods'
    expect(options.inference()).toEqual({ model: 'large', head: 'moods' })
    Object.assign(options, { head: '', model: 'large', neutral: 80 })
    expect(options.inference()).toEqual({ model: 'large' })
    options.baseline = 'self' // of any model
    expect(options.inference()).toEqual({ model: 'large', baseline: 'self', expect: 'neutral=0.8' })
    Object.assign(options, { model: '', baseline: 'gone' })
    expect(options.inference()).toEqual({})
    const bare = model('bare', ['fp32'], { embeddings_only: true })
    Object.assign(service, { models: [...models, bare] })
    Object.assign(options, { model: 'bare', baseline: 'self' })
    expect(options.inference()).toEqual({ model: 'bare' })
  })
  it('is a precision that the chosen model can be computed in', () => {
    Object.assign(service, { models, heads: [calls] })
    expect(options.precisions).toEqual(['auto', 'fp32', 'bf16'])
    options.precision = 'int8'
    expect(options.asked()).not.toHaveProperty('precision')
    options.model = 'large'
    expect(options.precisions).toEqual(['auto', 'fp32', 'int8'])
    expect(options.asked().precision).toBe('int8')
    Object.assign(service, { models: models.slice(1) }) // the service's own has no name here
    options.model = ''
    expect(options.precisions).toHaveLength(5)
  })
  it('is what was chosen, and nothing that the service does by itself', () => {
    expect(options.asked()).toEqual({ granularity: 'frame', segments: true })
    Object.assign(options.chosen, { granularity: 'utterance', segments: false, merge: true })
    expect(options.asked()).toEqual({ granularity: 'frame', segments: true, merge: true }) // the card needs both
  })
  it('is each channel only where that was chosen', () => {
    expect(options.asked()).not.toHaveProperty('split_channels')
    options.chosen.split_channels = true
    expect(options.asked().split_channels).toBe(true)
  })
  it('is speech alone of channels by themselves, and otherwise where that was chosen', () => {
    expect([options.bySpeech, options.asked().speech_only]).toEqual([false, undefined])
    options.chosen.split_channels = true
    expect([options.bySpeech, options.asked().speech_only]).toEqual([true, true])
    options.chosen.speech_only = false
    expect([options.bySpeech, options.asked().speech_only]).toEqual([false, false])
    Object.assign(options.chosen, { split_channels: false, speech_only: true })
    expect([options.bySpeech, options.asked().speech_only]).toEqual([true, true])
  })
})
