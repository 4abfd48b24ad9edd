/** What a timeline shows: a recording, or the two sides of a call. */
import { api, ask } from '../api/client'
import type { Segment, Timeline } from '../api/types'
import { timelineWithout } from '../lib/relative'
import { preferences } from '../state/preferences.svelte'
import { type Call, callOf, nameSides, sideNames } from './call.svelte'
import { TimelineData, WHOLE } from './data.svelte'
import { turns } from './leads'

/** Where the sound of a result is. */
export function soundOf(id: string): string {
  return `/v1/outputs/${id}/files/processed_audio.wav`
}

/** A first look at all of a recording, before its length is known; null: it can't be had. */
export async function firstLook(id: string): Promise<Timeline | null> {
  const query = { points: WHOLE, segments: true }
  return ask(api.GET('/v1/outputs/{id_}/timeline', { params: { path: { id_: id }, query } })).catch(() => null)
}

/** The sound and scores of a result, on the side of its baseline that the reader looks at. */
export function dataOf(id: string, duration: number): TimelineData {
  return new TimelineData(
    duration,
    (start, end, points, segments, signal) =>
      ask(
        api.GET('/v1/outputs/{id_}/timeline', {
          params: { path: { id_: id }, query: { start, end, points, segments } },
          signal,
        }),
      ),
    (timeline) => preferences.side(timeline, timelineWithout),
  )
}

/** The index of the segment at a moment; null: nobody speaks. */
export function segmentAt(segments: readonly Segment[], time: number): number | null {
  const index = segments.findIndex(({ start, end }) => start <= time && time < end)
  return index < 0 ? null : index
}

export class Sides {
  readonly own: TimelineData
  /** The two channels of a call, if it is one. */
  call = $state.raw<Call | null>(null)
  names = $state.raw<[string, string]>(['', ''])
  #other = $state.raw<TimelineData | null>(null)
  readonly #id: string

  /**
   * `onother`: what to do with the sound of a call's other side; null: the recording is shown alone.
   * `first`: the first look at the recording, if it is under way already.
   */
  constructor(
    id: string,
    duration: number,
    onother: ((sound: string) => void) | null,
    first?: Promise<Timeline | null>,
  ) {
    this.#id = id
    this.own = dataOf(id, duration)
    void this.own.begin(first)
    void (onother ? callOf(id) : Promise.resolve(null)).then(
      (call) => {
        if (!call) return
        const other = call.ids[call.ids[0] === id ? 1 : 0]
        this.#other = dataOf(other, duration)
        void this.#other.begin()
        onother?.(soundOf(other))
        this.names = sideNames(call.key)
        this.call = call
      },
      () => undefined, // then it is one side
    )
  }

  /** Both sides of a call in the order of their channels, or the recording alone. */
  readonly all: readonly TimelineData[] = $derived.by(() => {
    if (!this.#other || !this.call) return [this.own]
    return this.call.ids[0] === this.#id ? [this.own, this.#other] : [this.#other, this.own]
  })
  readonly whole: readonly (Timeline | null)[] = $derived(this.all.map((side) => side.whole))
  readonly segmented: readonly (readonly Segment[])[] = $derived(
    this.whole.map((timeline) => timeline?.segments ?? []),
  )
  readonly turns = $derived(this.all.length > 1 ? turns(this.segmented) : [])
  readonly titles: [string, string] = $derived([this.#title(0), this.#title(1)])

  /** The index of a side's segment at a moment. */
  segmentAt(side: number, time: number): number | null {
    return segmentAt(this.segmented[side] ?? [], time)
  }

  /** The result that a side is. */
  idOf(side: number): string {
    return this.call?.ids[side ? 1 : 0] ?? this.#id
  }

  rename(side: number, name: string): void {
    this.names = side ? [this.names[0], name] : [name, this.names[1]]
    if (this.call) nameSides(this.call.key, this.names)
  }

  end(): void {
    this.own.end()
    this.#other?.end()
  }

  #title(side: 0 | 1): string {
    const { sides, timeline } = preferences.words
    const declared = this.call?.declared[side]
    return this.names[side] || (declared && sides.names[declared]) || timeline.side(side + 1)
  }
}
