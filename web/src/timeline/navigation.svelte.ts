/** Where one is in a timeline: the part in view, the cursor, the chosen segment; and the ways from one to the next. */
import type { Segment } from '../api/types'
import type { Turn } from './leads'
import type { Player } from './player.svelte'
import type { Sides } from './sides.svelte'
import { around, moved, type View, within, zoomed } from './view'

/** What one goes through: a recording, the sides of a call, or several recordings. */
export interface Passable {
  readonly all: readonly unknown[]
  readonly segmented: readonly (readonly Segment[])[]
  readonly turns: readonly Turn[]
  segmentAt(side: number, time: number): number | null
}

export class Navigation<S extends Passable = Sides> {
  view: View = $state.raw({ start: 0, end: 0 })
  chosen = $state.raw<{ side: number; index: number } | null>(null)

  constructor(
    readonly sides: S,
    readonly player: Player,
    readonly duration: number,
  ) {
    this.fit()
  }

  /** The sides that are shown: one of two alone, or all. */
  readonly shown: readonly number[] = $derived.by(() => {
    const { all } = this.sides
    return this.player.solo !== null && all.length > 1 ? [this.player.solo] : all.map((_, side) => side)
  })
  /** Who speaks at the cursor, or the first of those shown. */
  readonly speaking: number = $derived(
    this.shown.find((side) =>
      this.sides.segmented[side]?.some(({ start, end }) => start <= this.player.time && this.player.time < end),
    ) ??
      this.shown[0] ??
      0,
  )

  fit(): void {
    this.view = within(0, this.duration, this.duration)
  }

  zoom(factor: number, at?: number): void {
    const { view, player } = this
    const inView = player.time >= view.start && player.time <= view.end
    this.view = zoomed(view, factor, at ?? (inView ? player.time : (view.start + view.end) / 2), this.duration)
  }

  pan(share: number): void {
    this.view = moved(this.view, (this.view.end - this.view.start) * share, this.duration)
  }

  /** While it plays the view follows, a page at a time. */
  follow(time: number): void {
    const { view } = this
    const length = view.end - view.start
    if (time > view.end - length * 0.02 || time < view.start)
      this.view = within(time - length * 0.06, length, this.duration)
  }

  seek(time: number): void {
    const { view, player } = this
    player.seek(Math.min(Math.max(0, time), this.duration))
    if (player.time < view.start || player.time > view.end) {
      this.view = within(player.time - (view.end - view.start) / 2, view.end - view.start, this.duration)
    }
  }

  playSegment(side: number, index: number, show = false): void {
    const segment = this.sides.segmented[side]?.[index]
    if (!segment) return
    this.chosen = { side, index }
    if (show || segment.end < this.view.start || segment.start > this.view.end) {
      this.view = around(segment.start, segment.end, this.duration)
    }
    this.player.playOnly(segment.start, segment.end)
  }

  playChosen(show = false): void {
    if (this.chosen) this.playSegment(this.chosen.side, this.chosen.index, show)
  }

  /** Choose the segment at a moment, if there is one. */
  choose(side: number, time: number): void {
    const index = this.sides.segmentAt(side, time)
    this.chosen = index === null ? null : { side, index }
  }

  /** To the next segment, or turn of a call, or back. */
  step(by: 1 | -1): void {
    const { sides, player, chosen } = this
    if (sides.turns.length) {
      const turn =
        by > 0
          ? sides.turns.find(({ start }) => start > player.time + 0.01)
          : sides.turns.findLast(({ start }) => start < player.time - 0.01)
      if (!turn) return
      this.chosen = { side: turn.side, index: sides.segmentAt(turn.side, turn.start + 0.001) ?? 0 }
      return this.seek(turn.start)
    }
    const side = this.shown[0] ?? 0
    const segments = sides.segmented[side] ?? []
    if (!segments.length) return
    const last = segments.length - 1
    const index = chosen?.side !== side ? (by > 0 ? 0 : last) : Math.min(last, Math.max(0, chosen.index + by))
    this.chosen = { side, index }
    this.seek(segments[index]?.start ?? 0)
  }

  /** Repeat the chosen segment, or that at the cursor. */
  loop(): void {
    const index = this.sides.segmentAt(this.speaking, this.player.time)
    if (!this.chosen && index !== null) this.chosen = { side: this.speaking, index }
    const { chosen } = this
    this.player.loop((chosen && this.sides.segmented[chosen.side]?.[chosen.index]) ?? null)
  }

  solo(): void {
    const { player } = this
    if (this.sides.all.length > 1) player.setSolo(player.solo === null ? 0 : player.solo === 0 ? 1 : null)
  }

  /** Close enough to see a peak's curves. */
  toPeak(side: number, { start, end }: { start: number; end: number }): void {
    this.choose(side, start)
    this.view = within((start + end) / 2 - 30, 60, this.duration)
    this.player.seek(start)
  }
}
