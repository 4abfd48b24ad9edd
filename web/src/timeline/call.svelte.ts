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

const CHANNEL = /_channel(\d+)/
const LISTED = 100 // results that are looked through

/** The call that a result is one side of; null: it is none, or the other side isn't stored. */
export async function callOf(id: string): Promise<Call | null> {
  const own = Number(CHANNEL.exec(id)?.[1])
  if (own !== 1 && own !== 2) return null
  const one = await get(id)
  if (one.facts.channels !== 2 || !one.output.name) return null
  const query = { name: one.output.name, limit: LISTED }
  const { outputs } = await ask(api.GET('/v1/outputs', { params: { query } }))
  const away = ({ created_at }: { created_at: string }): number =>
    Math.abs(Date.parse(created_at) - Date.parse(one.output.created_at))
  const others = outputs
    .filter((other) => Number(CHANNEL.exec(other.id)?.[1]) === 3 - own)
    .filter(({ name, model }) => name === one.output.name && model === one.output.model)
    .sort((a, b) => away(a) - away(b))
  const nearest = others[0] && (await get(others[0].id))
  if (nearest?.facts.sha256 !== one.facts.sha256) return null
  const [first, second] = own === 1 ? [one, nearest] : [nearest, one]
  return {
    ids: [first.output.id, second.output.id],
    declared: [first.facts.side ?? null, second.facts.side ?? null],
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
