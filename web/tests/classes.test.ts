import { expect, test } from 'vitest'
import { keysOf } from '../src/lib/classes'

const NINE = ['angry', 'disgusted', 'fearful', 'happy', 'neutral', 'other', 'sad', 'surprised', 'unknown']

test('the keys are the nine emotions in their order, whatever is in use of them', () => {
  expect(keysOf([], NINE, [])).toEqual(NINE)
  expect(keysOf(['sad', 'angry'], NINE, [])).toEqual(NINE)
})

test('with own classes they are what is in use, and then the rest', () => {
  expect(keysOf(['ironic', 'sad', 'angry'], NINE, [])).toEqual([
    'angry',
    'sad',
    'ironic',
    'disgusted',
    'fearful',
    'happy',
    'neutral',
    'other',
    'surprised',
  ])
})

test('while the page is open a label keeps its key, and a new one takes the last that is free', () => {
  const first = keysOf(['sad'], NINE, NINE)
  expect(first).toEqual(NINE)
  const second = keysOf(['sad', 'ironic'], NINE, first)
  expect(second).toEqual([...NINE.slice(0, 8), 'ironic'])
  expect(keysOf(['ironic', 'sad', 'bored', 'surprised'], NINE, second)).toEqual([
    ...NINE.slice(0, 5),
    'bored',
    'sad',
    'surprised',
    'ironic',
  ])
  const full = Array.from({ length: 9 }, (_, number) => `class ${number}`)
  expect(keysOf([...full, 'tenth'], NINE, full)).toEqual(full)
})
