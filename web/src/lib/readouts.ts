/** What a model gives: the nine emotions, and readouts with classes or values of its own, in its own words. */
import type { Curve, Emotion, EmotionView, ModelView, ReadoutResult, Scores } from '../api/types'
import { decimal, percent } from './format'
import { colourOf, OWN, ownColour } from './palette'
import { type Texture, TEXTURES } from './patterns'

/** One class or value, as it is drawn. */
export interface Line {
  readonly name: string
  readonly label: string
  readonly emoji: string // empty: it has none
  readonly colour: string
  readonly texture: Texture // of its areas
}

/** The nine, or a readout: all its lines, in the model's order. */
export interface Series {
  readonly name: string | null // null: the nine
  readonly values: boolean // instead of classes
  readonly range: readonly [number, number] | null
  readonly lines: readonly Line[]
}

/** What is said of a recording, a segment or a moment. */
export interface Said {
  readonly emotion?: Emotion | null
  readonly confidence?: number | null
  readonly scores?: Scores | null
  readonly readouts?: Readonly<Record<string, ReadoutResult>>
}

export type Numbers = Readonly<Record<string, number>>

/** Scores, highest first. */
export function ranked(scores: Numbers): [string, number][] {
  return Object.entries(scores).sort((a, b) => b[1] - a[1])
}

/** The nine, drawn as the service and the reader's language have them. */
export function nine(
  emotions: readonly EmotionView[],
  labelled: (emotion: EmotionView) => string,
  dark: boolean,
): Series {
  const lines = emotions.map((emotion) => ({
    name: emotion.name,
    label: labelled(emotion),
    emoji: emotion.emoji,
    colour: colourOf(emotion, dark),
    texture: emotion.texture,
  }))
  return { name: null, values: false, range: null, lines }
}

/** The texture of a class at a place: those of the same colour have others. */
function textureOf(index: number): Texture {
  return TEXTURES[Math.floor(index / OWN.length) % TEXTURES.length] ?? ''
}

interface Shape {
  readonly scores?: object | null
  readonly values?: object | null
  readonly range?: readonly number[] | null
}

/** A readout, drawn in colours of its own. */
export function ownSeries(name: string, { scores, values, range }: Shape, dark: boolean): Series {
  const lines = Object.keys(scores ?? values ?? {}).map((label, index) => ({
    name: label,
    label,
    emoji: '',
    colour: ownColour(index, dark),
    texture: textureOf(index),
  }))
  const [low, high] = range ?? []
  return { name, values: !scores, range: low === undefined || high === undefined ? null : [low, high], lines }
}

/** All that can be drawn of a curve and of what is said of recordings, segments or moments. */
export function seriesOf(curve: Curve | null, said: readonly Said[], nine: Series, dark: boolean): Series[] {
  const shapes = new Map<string, Shape>(Object.entries(curve?.readouts ?? {}))
  for (const { readouts } of said) {
    for (const [name, readout] of Object.entries(readouts ?? {})) if (!shapes.has(name)) shapes.set(name, readout)
  }
  const own = [...shapes].map(([name, shape]) => ownSeries(name, shape, dark))
  const known = Object.keys(curve?.scores ?? {}).length > 0 || said.some(({ scores }) => scores)
  return known ? [nine, ...own] : own
}

/** A readout's numbers in what is said; null where it says nothing of it. */
export function numbersOf(said: Said, name: string | null): Numbers | null {
  if (name === null) return said.scores ?? null
  const readout = said.readouts?.[name]
  return readout?.scores ?? readout?.values ?? null
}

/** What leads. */
export interface Leader {
  readonly label: string // a class, or values in words
  readonly share: number | null // null: of values
}

/** What leads in a readout. */
export function leader(readout: ReadoutResult): Leader {
  if (readout.values) return { label: inWords(readout.values), share: null }
  return { label: readout.label ?? '', share: readout.confidence ?? null }
}

/** What stands for a recording where there is room for one line: its emotion, or what leads in its first readout. */
export function gist(said: Said, labelled: (emotion: Emotion) => string): Leader | null {
  if (said.emotion) return { label: labelled(said.emotion), share: said.confidence ?? null }
  const [first] = Object.values(said.readouts ?? {})
  return first ? leader(first) : null
}

/** Values as `arousal 0.73 · valence 0.20`, which isn't broken before a number. */
export function inWords(values: Numbers): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}\u00a0${decimal(value)}`)
    .join(' · ')
}

/** A number of a series: a score as a share, a value as it is. */
export function told(series: Pick<Series, 'values'>, number: number, digits?: number): string {
  return series.values ? decimal(number) : percent(number, digits)
}

/** A series at a moment: its classes, highest first, or its values in their order. */
export function leading(series: Series, numbers: Numbers): (Line & { text: string })[] {
  const lines = series.lines.map((line) => ({ ...line, number: numbers[line.name] ?? 0 }))
  if (!series.values) lines.sort((a, b) => b.number - a.number)
  return lines.map((line) => ({ ...line, text: told(series, line.number) }))
}

/** Where a value lies in a range, 0 to 1. */
export function placeIn(value: number, [low, high]: readonly [number, number]): number {
  return Math.min(1, Math.max(0, (value - low) / (high - low)))
}

/** What a model gives besides the nine emotions, in its own words: a line for each readout. */
export function ownOf({ readouts }: Pick<ModelView, 'readouts'>): string[] {
  return (readouts ?? [])
    .filter(({ labels, emotions }) => !labels.every((label) => emotions[label] === label))
    .map(({ name, labels, range }) => `${name}: ${labels.join(', ')}${range ? ` (${range.join('–')})` : ''}`)
}
