import { describe, expect, it } from 'vitest'
import { en } from '../src/i18n/en'
import { zh } from '../src/i18n/zh'
import { fromAnswer } from '../src/api/problem'
import { explained } from '../src/lib/explained'
import { preferred } from '../src/state/preferences.svelte'

/** All words with where they stand; of those with numbers in them, an example. */
function words(tree: object, place = ''): Map<string, string> {
  const found = new Map<string, string>()
  for (const [name, value] of Object.entries(tree) as [string, unknown][]) {
    const here = `${place}.${name}`
    if (typeof value === 'string') found.set(here, value)
    else if (typeof value === 'function')
      found.set(here, String((value as (...given: unknown[]) => unknown)(2, 'x', 'y')))
    else for (const [inner, text] of words(value as object, here)) found.set(inner, text)
  }
  return found
}

describe('words', () => {
  const [english, chinese] = [words(en), words(zh)]
  it('are the same in both languages, and none is empty', () => {
    expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort())
    for (const tree of [english, chinese]) {
      for (const [place, text] of tree) expect(text.trim(), place).toBeTruthy()
    }
  })
  it('are Chinese in Chinese, and not in English', () => {
    const alike = [...chinese].filter(
      ([place, text]) => !/[\u3001\uff1a\u4e00-\u9fff]/.test(text) && english.get(place) !== text,
    )
    expect(alike.map(([place]) => place)).toEqual(['.language.label', '.language.other'])
    const foreign = [...english].filter(([, text]) => /[\u4e00-\u9fff]/.test(text)).map(([place]) => place)
    expect(foreign).toEqual(['.language.label', '.language.other'])
  })
})

it('there are words for every warning', () => {
  const sources = import.meta.glob<string>(
    ['../../src/emovox/audio/quality.py', '../../src/emovox/inference/recognition.py'],
    { query: '?raw', import: 'default', eager: true },
  )
  const codes = new Set<string>()
  for (const text of Object.values(sources)) {
    const named = [...text.matchAll(/^[A-Z_, ]+ = ("[a-z_]+".*)$/gm)].map(([, values]) => values ?? '').join()
    const listed = [...text.matchAll(/^ {4}("[a-z_]+"): "/gm)].map(([, code]) => code ?? '').join()
    for (const [, code] of `${named},${listed}`.matchAll(/"([a-z_]+)"/g)) codes.add(code ?? '')
  }
  expect(codes).toContain('mostly_silence')
  for (const words of [en, zh]) expect([...codes].filter((code) => !(code in words.warnings))).toEqual([])
})

describe('problems', () => {
  it('have words for every kind that the service knows', () => {
    const sources = import.meta.glob<string>('../../src/emovox/server/**/*.py', {
      query: '?raw',
      import: 'default',
      eager: true,
    })
    const kinds = new Set<string>()
    for (const text of Object.values(sources)) {
      for (const [, kind] of text.matchAll(/Problem\(\s*\d{3},\s*"([a-z-]+)"/g)) kinds.add(kind ?? '')
      for (const [, kind] of text.matchAll(/Error: \(\d{3}, "([a-z-]+)"/g)) kinds.add(kind ?? '')
    }
    expect(kinds.size).toBeGreaterThan(20)
    // No answer to anything that the page asks.
    const never = [
      'not-done',
      'finished',
      'bundled-model',
      'unknown-message',
      'unknown-version',
      'headers-too-large',
      'two-lengths',
      'no-http',
      'no-websocket',
      'no-such-batch',
      'no-such-example',
      'too-many-files',
      'too-many-fields',
      'field-too-large',
      'client-gone',
      'empty-stretch',
      'no-such-tag',
      'not-archived',
      'filter',
      'label-studio',
      'label-studio-late',
      'label-studio-unreachable',
      'no-label-studio',
      'no-transcriber',
      'transcriber',
      'transcriber-busy',
      'transcriber-late',
    ]
    expect([...kinds].filter((kind) => !(kind in en.problems) && !never.includes(kind))).toEqual([])
  })
  it('are explained, even those that nobody knows', () => {
    const busy = fromAnswer(503, { type: 'urn:emovox:busy', detail: 'x', status: 503, title: 'Busy' }, '7')
    expect(busy.retryAfter).toBe(7)
    expect(explained(busy, zh)).toBe(zh.problems['busy'])
    expect(explained(fromAnswer(418, 'tea', null), en)).toBe(en.problems['unknown'])
  })
})

it('the language is the first that the browser names of the two', () => {
  expect(preferred(['zh-TW', 'en'])).toBe('zh')
  expect(preferred(['fr', 'en-GB', 'zh'])).toBe('en')
  expect(preferred(['fr'])).toBe('en')
  expect(preferred([])).toBe('en')
})
