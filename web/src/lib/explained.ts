import type { ProblemError } from '../api/problem'
import type { Words } from '../i18n/en'

/** What a problem means and what to do, in the reader's words. */
export function explained(problem: ProblemError, words: Words): string {
  return words.problems[problem.kind] ?? words.problems['unknown'] ?? problem.detail
}
