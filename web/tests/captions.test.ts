import { describe, expect, it } from 'vitest'
import { parse } from '../src/lib/captions'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('words', () => {
  it('of SRT, with tags and two lines', () => {
    const text =
      '1\r\n00:00:01,500 --> 00:00:03,000\r\n<i>Good</i> morning,\r\nhow are you?\r\n\r\n2\r\n01:00:00,000 --> 01:00:01,250\r\n你好\r\n'
    expect(parse('a.srt', bytes(text))).toEqual([
      { start: 1.5, end: 3, text: 'Good morning, how are you?' },
      { start: 3600, end: 3601.25, text: '你好' },
    ])
  })
  it('of VTT, with notes, names, settings and no hours', () => {
    const text =
      'WEBVTT - a title\n\nNOTE not this\n\nfirst\n00:02.000 --> 00:04.500 align:start\n<v Anna>R&amp;D &lt;3\n\n00:01.000 --> 00:01.900\nbefore\n'
    expect(parse('a.VTT', bytes(text))).toEqual([
      { start: 1, end: 1.9, text: 'before' },
      { start: 2, end: 4.5, text: 'R&D <3' },
    ])
  })
  const LONG = `File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "TextTier"
        name = "bells"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 1.2
            mark = "ding"
    item [2]:
        class = "IntervalTier"
        name = "empty"
        xmin = 0
        xmax = 2.5
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 2.5
            text = ""
    item [3]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 2.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1e-1
            text = ""
        intervals [2]:
            xmin = 0.1
            xmax = 1.25
            text = "say ""12"""
        intervals [3]:
            xmin = 1.25
            xmax = 2.5
            text = "你好"
`
  const SAID = [
    { start: 0.1, end: 1.25, text: 'say "12"' },
    { start: 1.25, end: 2.5, text: '你好' },
  ]
  it('of TextGrid, the first tier that says something', () => {
    expect(parse('a.TextGrid', bytes(LONG))).toEqual(SAID)
  })
  it('of the short form, in the encoding that Praat writes', () => {
    const short =
      '"ooTextFile"\n"TextGrid"\n\n0\n2.5\n<exists>\n1\n"IntervalTier"\n"words"\n0\n2.5\n3\n0\n0.1\n""\n0.1\n1.25\n"say ""12"""\n1.25\n2.5\n"你好"\n'
    const utf16 = new Uint8Array(Uint16Array.from(`\ufeff${short}`, (letter) => letter.charCodeAt(0)).buffer)
    expect(parse('a.textgrid', utf16)).toEqual(SAID)
  })
  it('are none in what has no times', () => {
    expect(parse('a.srt', bytes('hello'))).toEqual([])
    expect(parse('a.TextGrid', bytes('hello 1 2 3'))).toEqual([])
    expect(parse('a.srt', bytes('1\n00:00:02,000 --> 00:00:01,000\nbackwards'))).toEqual([])
  })
})
