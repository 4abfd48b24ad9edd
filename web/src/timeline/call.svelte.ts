/** A call: two channels that were recognised by themselves, which belong on one axis. */
import { api, ask } from '../api/client'
import type { OutputView, Recognition, Side } from '../api/types'
import { store, stored } from '../lib/storage'

/** The results of a call's two channels. */
export interface Call {
  readonly ids: readonly [string, string]
  readonly declared: readonly [Side | null, Side | null] // whose voices they are, if somebody said
  readonly key: string // of the recording, which the sides' names are kept under
}

/** The call that a result is one side of; null: it is none, or there are more than two. */
export async function callOf(id: string): Promise<Call | null> {
  const one = await get(id)
  const [first, second, ...more] = one.output.call ?? []
  if (!first || !second || more.length) return null
  const other = await get(first === id ? second : first)
  const [left, right] = first === id ? [one, other] : [other, one]
  return {
    ids: [first, second],
    declared: [left.facts.side ?? null, right.facts.side ?? null],
    key: one.facts.sha256.slice(0, 16),
  }
}

async function get(id: string): Promise<{ output: OutputView; facts: Recognition['recording'] }> {
  const output = await ask(api.GET('/v1/outputs/{id_}', { params: { path: { id_: id } } }))
  return { output, facts: (output.recognition as unknown as Recognition).recording }
}

/** What the sides of a recording are called, as this browser keeps it; empty: nobody has named it. */
export function sideNames(key: string): [string, string] {
  const [first, second] = (stored(`sides.${key}`) ?? '').split('\n')
  return [first ?? '', second ?? '']
}

export function nameSides(key: string, names: readonly [string, string]): void {
  store(`sides.${key}`, names.map((name) => name.replaceAll('\n', ' ').trim().slice(0, 40)).join('\n'))
}
