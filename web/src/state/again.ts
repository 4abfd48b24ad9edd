/** Stored sound that is recognised again: as the recording that it is of, and of a call all sides. */
import { api, ask } from '../api/client'
import { asProblem, gone } from '../api/problem'
import type { BaselineFacts, OutputView, Recognition } from '../api/types'
import { SELF } from '../lib/relative'
import { type Asked, expectation, HALF } from './options.svelte'
import { type Chosen, type Item, queue } from './queue.svelte'
import { service } from './service.svelte'

export const SOUND = 'processed_audio.wav'

/** What was asked of a result, as far as it says so itself. */
export function optionsOf(output: OutputView): Asked {
  const { granularity, model, recording, speech_only, baseline } = recognitionOf(output)
  return {
    granularity,
    ...(output.segments && { segments: true }),
    ...(output.files.some((file) => file.name === 'embedding.npy') && { embedding: true }),
    // Of a channel by itself the service would leave silence out.
    ...((speech_only || (speech_only === false && recording.channel)) && { speech_only }),
    // Another's name means nothing to this service.
    ...(service.models.some(({ name }) => name === model.name) && { model: model.name }),
    ...headOf(output.readouts),
    ...(baseline && toldOf(baseline)),
    ...(recording.side && { side: recording.side }),
    ...(recording.purpose && { purpose: recording.purpose }),
    ...(recording.consent && { consent: recording.consent }),
  }
}

/**
 * Recognise it again, with segments and curve and what else is asked: new results, beside those that there are. The
 * side that is looked at comes first into view.
 *
 * `asked`: what was asked of it, if it is known.
 */
export async function recogniseAgain(output: OutputView, asked: Asked | null, more: Asked): Promise<void> {
  const sides = await Promise.all(
    (output.call ?? [output.id]).map(async (id_) =>
      id_ === output.id ? output : await ask(api.GET('/v1/outputs/{id_}', { params: { path: { id_ } } })),
    ),
  )
  const sounds = (await Promise.all(sides.map(fetched))).filter((sound) => sound !== null)
  const call = sounds.length > 1 ? output.id : null
  const items = sounds.flatMap(({ side, chosen }): Item[] => {
    const own = (side.id === output.id && asked) || optionsOf(side)
    // Who speaks, and what was said, is known of the recording.
    const { channel: _, track: __, split_channels: ___, words_of: ____, side: _____, ...rest } = own
    return queue.add([chosen], { ...rest, granularity: 'frame', segments: true, ...more, again: side.id }, call)
  })
  const shown = sounds.findIndex(({ side }) => side.id === output.id)
  queue.selected = items[shown] ?? items[0] ?? null
}

/** The sound of a result; null: only scores are kept. */
async function fetched(side: OutputView): Promise<{ side: OutputView; chosen: Chosen } | null> {
  const file = side.files.find(({ name }) => name === SOUND)
  if (!file) return null
  const answer = await fetch(file.url).catch(() => null)
  if (!answer?.ok) throw answer ? asProblem(`HTTP ${answer.status}`) : gone()
  const content = new File([await answer.blob()], file.name, { type: file.media_type })
  return { side, chosen: { file: content, name: side.name ?? side.id, channel: side.channel ?? null } }
}

function recognitionOf(output: OutputView): Recognition {
  return output.recognition as unknown as Recognition
}

/** The trained head that was asked, if any. */
function headOf(readouts: OutputView['readouts']): Asked {
  const head = Object.entries(readouts).find(([, { created_at }]) => created_at)
  return head ? { head: head[0] } : {}
}

/** A baseline, if this service has it: its name, and its share of neutral if that isn't the usual half. */
function toldOf({ name, expectation: shares }: BaselineFacts): Asked {
  if (name !== SELF && !service.baselines.some((one) => one.name === name)) return {}
  const neutral = shares['neutral']
  const usual = neutral === undefined || neutral === HALF / 100
  return { baseline: name, ...(!usual && { expect: expectation(neutral) }) }
}
