/** Words with their times, as SRT, VTT and TextGrid have them. */

export interface Cue {
  readonly start: number // seconds
  readonly end: number
  readonly text: string
}

/** What file names of words end in. */
export const CAPTIONS = /\.(srt|vtt|textgrid)$/i

/** The cues of a file, by time; empty: it has none that can be read. */
export function parse(name: string, bytes: Uint8Array): Cue[] {
  const text = decoded(bytes)
  const cues = /\.textgrid$/i.test(name) ? intervals(text) : captions(text)
  return cues.filter(({ start, end, text }) => text && end > start).sort((a, b) => a.start - b.start)
}

/** UTF-8, or UTF-16 as Praat writes it, which begins with a mark. */
function decoded(bytes: Uint8Array): string {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes)
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes)
  return new TextDecoder().decode(bytes)
}

const TIMES = /((?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3})[ \t]*-->[ \t]*((?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3})/

function captions(text: string): Cue[] {
  return text.split(/\r?\n[ \t]*(?:\r?\n)+/).flatMap((block) => {
    const lines = block.split(/\r?\n/)
    const at = lines.findIndex((line) => TIMES.test(line))
    const [, start, end] = TIMES.exec(lines[at] ?? '') ?? []
    if (!start || !end) return []
    return [{ start: seconds(start), end: seconds(end), text: plain(lines.slice(at + 1).join(' ')) }]
  })
}

function seconds(clock: string): number {
  return clock
    .replace(',', '.')
    .split(':')
    .reduce((sum, part) => sum * 60 + Number(part), 0)
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', nbsp: '\u00a0', lrm: '', rlm: '' }

/** Without tags, positions and entities. */
function plain(text: string): string {
  return text
    .replace(/<[^>]*>|\{\\[^}]*\}/g, '')
    .replace(/&(\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole)
    .replace(/\s+/g, ' ')
    .trim()
}

/** The first tier of intervals that says something: Praat's long and short form are the same numbers and texts. */
function intervals(text: string): Cue[] {
  const tokens: (string | number)[] = []
  const body = text.replace(/^[\s\S]*?"TextGrid"/, '')
  for (const [, quoted, number] of body.matchAll(
    /"((?:[^"]|"")*)"|(?<![\w[.])(-?\d+(?:\.\d+)?(?:e-?\d+)?)(?![\w\]])/gi,
  )) {
    tokens.push(quoted === undefined ? Number(number) : quoted.replaceAll('""', '"'))
  }
  let at = 3 // after the grid's own times and its number of tiers
  while (at < tokens.length) {
    const [kind, , , , count] = tokens.slice(at, at + 5)
    if (typeof kind !== 'string' || typeof count !== 'number') return []
    at += 5
    const size = kind === 'IntervalTier' ? 3 : 2
    const items = tokens.slice(at, at + size * count)
    at += size * count
    if (size === 2) continue
    const cues = Array.from({ length: count }, (_, index) => {
      const [start, end, said] = items.slice(index * 3, index * 3 + 3)
      return { start: Number(start), end: Number(end), text: String(said ?? '').trim() }
    })
    if (cues.some(({ text }) => text)) return cues
  }
  return []
}
