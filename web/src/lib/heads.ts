/** Trained heads and baselines: which of them a choice of model leaves. */
import type { HeadView } from '../api/types'

/** Whether it can be used. `model`: the chosen one's name; empty: its own will be taken. */
export function fits(one: Pick<HeadView, 'usable' | 'model'>, model: string): boolean {
  return one.usable && (!model || one.model === model)
}
