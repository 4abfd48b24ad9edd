import { afterEach, describe, expect, it, vi } from 'vitest'
import type { HeadView, ModelView } from '../src/api/types'
import { fits, ranked } from '../src/lib/heads'

vi.stubGlobal('location', { origin: 'http://localhost' })
const { options } = await import('../src/state/options.svelte')
const { service } = await import('../src/state/service.svelte')

const model = (name: string, installed: boolean): ModelView => ({ name, installed }) as ModelView
const head = (name: string, model: string): HeadView => ({ name, model }) as HeadView
const [models, calls, far] = [[model('lite', true), model('large', false)], head('calls', 'lite'), head('far', 'large')]

describe('heads', () => {
  it('can be asked where their model is the chosen one, or can be taken', () => {
    expect([fits(calls, '', models), fits(calls, 'lite', models), fits(calls, 'large', models)]).toEqual([true, true, false])
    expect([fits(far, '', models), fits(far, 'large', models)]).toEqual([false, true])
  })
  it('have their classes ranked', () => {
    expect(ranked({ calm: 0.2, loud: 0.8 })).toEqual([['loud', 0.8], ['calm', 0.2]])
  })
})

describe('what is asked', () => {
  afterEach(() => Object.assign(options, { model: '', head: '', splitChannels: false }))

  it('is a head with its model, and none that the model doesn’t fit', () => {
    Object.assign(service, { models, heads: [calls, far] })
    expect(options.hearing()).toEqual({})
    options.head = 'calls'
    expect(options.hearing()).toEqual({ model: 'lite', head: 'calls' })
    options.model = 'large'
    expect(options.hearing()).toEqual({ model: 'large' })
    Object.assign(options, { model: '', head: 'gone' })
    expect(options.hearing()).toEqual({})
  })
  it('is each channel only where that was chosen', () => {
    expect(options.asked()).not.toHaveProperty('split_channels')
    options.splitChannels = true
    expect(options.asked().split_channels).toBe(true)
  })
})
