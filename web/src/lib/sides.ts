/** Whose voice a recording is, as the service takes it. */
import type { PolicyView, Recognition, Side } from '../api/types'

type Sides = readonly [Side | '', Side | '']

/** The option: one side, or those of two channels that are recognised by themselves; empty: nobody says. */
export function sidesOf([first, second]: Sides, split: boolean): string {
  if (!split || first === second) return first
  return `${first || 'open'},${second || 'open'}`
}

/** Of two voices that are heard together the one of which less may be inferred. */
export function strictest(sides: Sides, policy: PolicyView | null): Side | '' {
  return sides.find((side) => side && policy?.talk_time_only.includes(side)) ?? (sides[0] || sides[1])
}

/** Whether the policy allowed nothing but talk time. */
export function withheld(recognition: Recognition): boolean {
  return recognition.policy?.inferred === false
}
