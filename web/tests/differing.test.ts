import { expect, it } from 'vitest'
import type { SpeechSummary } from '../src/api/types'
import { differences, letter } from '../src/lib/differing'

function summary(shares: Record<string, number>, values: Record<string, number> | null = null): SpeechSummary {
  return { shares, values } as unknown as SpeechSummary
}

it('what differs most comes first, and less than a tenth not at all', () => {
  const [a, b, c] = [
    summary({ angry: 0.5, neutral: 0.5 }),
    summary({ neutral: 0.95, sad: 0.05 }),
    summary({ angry: 0.45, neutral: 0.55 }),
  ]
  expect(differences([a, b, c])).toEqual([
    { name: 'angry', most: 0.5, least: 0, high: 0, low: 1 },
    { name: 'neutral', most: 0.95, least: 0.5, high: 1, low: 0 },
  ])
  expect(differences([a, c])).toEqual([])
})

it('values are compared with values alone, and nothing with what has no summary', () => {
  const [one, other] = [summary({}, { arousal: 0.8 }), summary({}, { arousal: 0.3 })]
  expect(differences([one, other])).toEqual([{ name: 'arousal', most: 0.8, least: 0.3, high: 0, low: 1 }])
  expect(differences([one, summary({ angry: 1 })])).toEqual([])
  expect(differences([one, null])).toEqual([])
  expect(differences([one])).toEqual([])
})

it('recordings have letters', () => {
  expect([0, 25, 26].map(letter)).toEqual(['A', 'Z', '27'])
})
