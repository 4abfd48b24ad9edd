/** Several recordings on one axis, in the order in which the player has them. */
import type { OutputView } from '../api/types'
import type { TimelineData } from '../timeline/data.svelte'
import { dataOf, segmentAt } from '../timeline/sides.svelte'

export class Lanes {
  readonly all: readonly TimelineData[]
  readonly segmented = $derived.by(() => this.all.map(({ whole }) => whole?.segments ?? []))
  readonly turns = []

  constructor(outputs: readonly OutputView[]) {
    this.all = outputs.map(({ id, duration }) => dataOf(id, duration))
    for (const data of this.all) void data.begin()
  }

  segmentAt(lane: number, time: number): number | null {
    return segmentAt(this.segmented[lane] ?? [], time)
  }

  end(): void {
    for (const data of this.all) data.end()
  }
}
