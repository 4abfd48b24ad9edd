/** Trained heads: which of them a choice of model leaves. */
import type { HeadView } from '../api/types'

/** Whether a head can be asked. `model`: the chosen one's name; empty: the head's own will be taken. */
export function fits(head: HeadView, model: string): boolean {
  return head.usable && (!model || head.model === model)
}
