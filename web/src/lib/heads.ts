/** Trained heads: which of them a choice of model leaves. */
import type { HeadView, ModelView } from '../api/types'

/** Whether a head can be asked. `model`: the chosen one's name; empty: the head's own will be taken. */
export function fits(head: HeadView, model: string, models: readonly ModelView[]): boolean {
  return model ? head.model === model : models.some(({ name, installed }) => installed && name === head.model)
}

/** Scores of classes of somebody's own, highest first. */
export function ranked(scores: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(scores).sort((a, b) => b[1] - a[1])
}
