import { describe, expect, it } from 'vitest'
import type { Emotion, ReadoutResult } from '../src/api/types'
import { contrast, ink } from '../src/lib/colours'
import { curl, type Options, python } from '../src/lib/code'
import { csv } from '../src/lib/csv'
import { mayHaveSound } from '../src/lib/files'
import { bytes, clock, decimal, percent, signed, signedDecimal, took } from '../src/lib/format'
import { DARK, LIGHT, OWN, ownColour } from '../src/lib/palette'
import { ownSeries, type Said } from '../src/lib/readouts'
import { asCsv, type Row, sorted, summed } from '../src/lib/table'
import { parse } from '../src/state/route.svelte'

describe('formats', () => {
  it('tells times', () => {
    expect(clock(3.04, 1)).toBe('0:03.0')
    expect(clock(59.96, 1)).toBe('1:00.0')
    expect(clock(3723)).toBe('1:02:03')
    expect(clock(36_000)).toBe('10:00:00')
    expect(clock(-1)).toBe('0:00')
  })
  it('tells shares, sizes and how long it took', () => {
    expect(percent(0.9731)).toBe('97.3 %')
    expect(signed(-0.5)).toBe('−50.0 %')
    expect(signed(-0.0001)).toBe('0.0 %')
    expect(decimal(0.7349)).toBe('0.73')
    expect(decimal(-1)).toBe('−1.00')
    expect(decimal(-0.001)).toBe('0.00')
    expect([signedDecimal(0.5), signedDecimal(-0.5), signedDecimal(0.001)]).toEqual(['+0.50', '−0.50', '0.00'])
    expect(bytes(0)).toBe('0 B')
    expect(bytes(999)).toBe('999 B')
    expect(bytes(1_950_000_000)).toBe('1.95 GB')
    expect(took(0.0123)).toBe('12 ms')
    expect(took(2.04)).toBe('2.0 s')
    expect(took(200)).toBe('3:20')
  })
})

describe('csv', () => {
  it('quotes what needs it, and leaves no formula', () => {
    expect(csv([['a,b', 'c"d', 'e\nf', null, 1.5]])).toBe('\ufeff"a,b","c""d","e\nf",,1.5\r\n')
    expect(csv([['=1+1', '-x.wav']])).toBe("\ufeff'=1+1,'-x.wav\r\n")
  })
})

describe('colours', () => {
  it('have words that can be read', () => {
    for (const ground of [LIGHT, DARK]) {
      expect(contrast(ground.ink, ground.surface)).toBeGreaterThanOrEqual(7)
      expect(contrast(ground.faint, ground.surface)).toBeGreaterThanOrEqual(4.5)
    }
    expect([ink('#ffe000'), ink('#532379')]).toEqual(['#000000', '#ffffff'])
  })
  it('of a model’s own classes and values can be seen on both grounds', () => {
    for (const [light, dark] of OWN) {
      expect(contrast(light, LIGHT.surface)).toBeGreaterThanOrEqual(3)
      expect(contrast(dark, DARK.surface)).toBeGreaterThanOrEqual(3)
    }
    expect(ownColour(8, true)).toBe(ownColour(0, true))
  })
  it('that come again have other textures', () => {
    const scores = Object.fromEntries(Array.from({ length: 24 }, (_, index) => [`class ${index}`, 0]))
    const { lines } = ownSeries('emotion', { scores }, false)
    expect(new Set(lines.map(({ colour, texture }) => colour + texture)).size).toBe(24)
  })
})

describe('code', () => {
  it('can be pasted', () => {
    expect(curl('http://localhost:7860', 'a b.mp3', { granularity: 'frame' }, false)).toBe(
      "curl -F 'file=@a b.mp3' \\\n  -F granularity=frame \\\n  http://localhost:7860/v1/recognitions",
    )
    expect(curl('http://localhost:7860', 'a;b "c".mp3', {}, false)).toContain(
      String.raw`-F 'file=@"a;b \"c\".mp3"'`,
    )
    expect(curl('http://h', 'a.mp3', { head: 'my calls' }, false)).toContain("-F 'head=my calls'")
    expect(python('http://h', 'a.mp3', { embedding: true, model: 'lite' }, false, {})).toContain(
      'client.recognize("a.mp3", embedding=True, model="lite")',
    )
  })
  it('has a place for a key where one is asked for', () => {
    expect(curl('http://h', 'a.mp3', {}, true)).toContain("curl -H 'Authorization: Bearer KEY' ")
    expect(python('http://h', 'a.mp3', {}, true, {})).toContain('Client("http://h", key="KEY")')
  })
  it('prints what was asked for, and nothing else', () => {
    const code = (options: Options, gives: Said): string => python('http://h', 'a.mp3', options, false, gives)
    const calls = { kind: 'linear' as const, label: 'upset', confidence: 0.7, scores: { upset: 0.7, calm: 0.3 } }
    const dimensions = { kind: 'pooled' as const, values: { arousal: 0.5 } }
    expect(code({}, { emotion: 'sad', confidence: 0.9 })).toMatch(
      /\nprint\(recognition.emotion, recognition.confidence\)$/,
    )
    const own = code({ segments: true }, { readouts: { calls, dimensions } })
    expect(own).toContain('\nprint(recognition.readouts["calls"].label, recognition.readouts["calls"].confidence)')
    expect(own).toContain('\nprint(recognition.readouts["dimensions"].values)')
    expect(own).toContain('\n    print(segment.readouts["dimensions"].values)')
    expect(own).not.toMatch(/emotion,|head/)
    expect(code({}, {})).not.toContain('print')
  })
})

describe('files', () => {
  it('are taken by type or by name', () => {
    for (const name of ['a.mp3', 'b.WAV', 'c.mkv', 'd.opus']) expect(mayHaveSound({ name, type: '' })).toBe(true)
    expect(mayHaveSound({ name: 'x', type: 'video/mp4' })).toBe(true)
    for (const name of ['notes.txt', '.DS_Store', 'wav']) expect(mayHaveSound({ name, type: '' })).toBe(false)
  })
})

describe('the table', () => {
  const row = (key: number, name: string, emotion: Emotion | null, confidence: number | null): Row => ({
    key,
    name,
    emotion,
    label: emotion,
    lead: emotion,
    confidence,
    share: confidence,
    summary: null,
    state: emotion ? 'done' : 'failed',
    duration: emotion ? 2 : null,
    scores: null,
    readouts: {},
    model: null,
    output: null,
    baseline: null,
    warnings: [],
    problem: null,
  })
  const rows = [
    row(0, 'b10', 'sad', 0.5),
    row(1, 'b9', null, null),
    row(2, 'a', 'angry', 0.9),
    row(3, 'c', 'sad', 0.7),
  ]
  const order = (found: Row[]): number[] => found.map(({ key }) => key)

  it('sorts both ways, with what has no value last', () => {
    expect(order(sorted(rows, 'name', false))).toEqual([2, 1, 0, 3])
    expect(order(sorted(rows, 'confidence', false))).toEqual([0, 3, 2, 1])
    expect(order(sorted(rows, 'confidence', true))).toEqual([2, 3, 0, 1])
  })
  it('sums up', () => {
    expect(summed(rows)).toEqual({
      emotions: [
        ['sad', 2],
        ['angry', 1],
      ],
      labels: [],
      values: [],
      mean: 2,
      total: 6,
      failed: 1,
    })
    expect(summed([]).mean).toBeNull()
  })
  it('has a line of CSV for each, even those that failed', () => {
    const lines = asCsv(rows, ['angry']).trim().split('\r\n')
    expect(lines).toHaveLength(5)
    expect(lines[2]).toBe('b9,failed,,,,,,,,')
  })
  it('says what scores are relative to, where any are', () => {
    const lines = asCsv([{ ...row(0, 'a', 'sad', 0.5), baseline: 'line3' }, ...rows], []).split('\r\n')
    expect(lines[0]).toContain(',model,baseline,')
    expect(lines[1]).toContain(',line3,')
    expect(asCsv(rows, [])).not.toContain('baseline')
  })
  const calls = (scores: Record<string, number>, created_at?: string): ReadoutResult => ({
    kind: 'linear',
    label: Object.keys(scores)[0] ?? null,
    confidence: Object.values(scores)[0] ?? null,
    scores,
    ...(created_at && { created_at }),
  })
  const dimensions: ReadoutResult = { kind: 'pooled', values: { arousal: 0.25, valence: -0.5 }, range: [-1, 1] }

  it('has a column for each number of a readout in the CSV', () => {
    const own = [
      {
        ...row(0, 'a', 'sad', 0.5),
        readouts: { calls: calls({ '=calm': 0.7, upset: 0.3 }, '2026-01-01T00:00:00Z') },
      },
      row(1, 'b', 'sad', 0.5),
      { ...row(2, 'c', null, null), label: 'arousal 0.25', readouts: { dimensions } },
    ]
    const lines = asCsv(own, ['angry']).trim().split('\r\n')
    expect(lines[0]).toMatch(
      /,calls.label,calls.confidence,calls.=calm,calls.upset,dimensions.arousal,dimensions.valence$/,
    )
    expect(lines[1]).toMatch(/,'=calm,0.7,0.7,0.3,,$/)
    expect(lines[2]).toMatch(/,{6}$/)
    expect(lines[3]).toMatch(/^c,failed,,,.*,0.25,-0.5$/)
  })
  it('sums up and sorts what has no emotion by what leads', () => {
    const own = [
      { ...row(0, 'a', null, 0.7), label: 'rabbia', readouts: { emotion: calls({ rabbia: 0.7 }) } },
      { ...row(1, 'b', null, 0.6), label: 'gioia', readouts: { emotion: calls({ gioia: 0.6 }) } },
      { ...row(2, 'c', null, null), label: 'arousal 0.25', readouts: { dimensions } },
      { ...row(3, 'd', null, null), label: 'arousal 0.25', readouts: { dimensions } },
    ]
    expect(summed(own)).toMatchObject({
      emotions: [],
      labels: [
        ['rabbia', 1],
        ['gioia', 1],
      ],
      values: [
        ['arousal', 0.25],
        ['valence', -0.5],
      ],
    })
    expect(order(sorted(own, 'emotion', false))).toEqual([2, 3, 1, 0])
  })
})

describe('routes', () => {
  it('are read from the address', () => {
    expect(parse('')).toEqual({ view: 'recognise' })
    expect(parse('#/history')).toEqual({ view: 'history', query: '' })
    expect(parse('#/history?tag=a&sort=-name')).toEqual({ view: 'history', query: 'tag=a&sort=-name' })
    expect(parse('#/insights')).toEqual({ view: 'insights' })
    expect(parse('#/output/outputs_1')).toEqual({ view: 'output', id: 'outputs_1', at: null })
    expect(parse('#/output/outputs_1?t=12.5')).toEqual({ view: 'output', id: 'outputs_1', at: 12.5 })
    expect(parse('#/output/outputs_1?t=x')).toEqual({ view: 'output', id: 'outputs_1', at: null })
    expect(parse('#/compare/a/b')).toEqual({ view: 'compare', ids: ['a', 'b'] })
    expect(parse('#/compare/a')).toEqual({ view: 'recognise' })
  })
})
