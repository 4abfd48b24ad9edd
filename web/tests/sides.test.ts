import { expect, test } from 'vitest'
import type { PolicyView } from '../src/api/types'
import { sidesOf, strictest } from '../src/lib/sides'

const EU: PolicyView = {
  profile: 'eu',
  sides: ['customer', 'worker', 'pupil', 'subject'],
  talk_time_only: ['worker', 'pupil'],
  require: [],
  ethics: null,
  abstain: false,
  retention: {},
  notice: false,
  notice_text: null,
  exception: null,
}

test('sides are told as the service takes them', () => {
  expect(sidesOf(['', ''], false)).toBe('')
  expect(sidesOf(['worker', 'customer'], false)).toBe('worker')
  expect(sidesOf(['', ''], true)).toBe('')
  expect(sidesOf(['worker', 'worker'], true)).toBe('worker')
  expect(sidesOf(['customer', 'worker'], true)).toBe('customer,worker')
  expect(sidesOf(['', 'worker'], true)).toBe('open,worker')
})

test('what is heard together counts as the voice of which less may be inferred', () => {
  expect(strictest(['customer', 'worker'], EU)).toBe('worker')
  expect(strictest(['', 'customer'], EU)).toBe('customer')
  expect(strictest(['', ''], EU)).toBe('')
  expect(strictest(['customer', 'worker'], { ...EU, talk_time_only: [] })).toBe('customer')
})
