/** The colours that canvases need to know; the same as in app.css. */
import type { EmotionView } from '../api/types'

export const LIGHT = { surface: '#ffffff', ink: '#1c1b22', faint: '#5f5d6b', line: '#ebeaf0', wave: '#8d8a9c' }
export const DARK = { surface: '#1c1b22', ink: '#f1f0f5', faint: '#a7a4b5', line: '#2e2c38', wave: '#8a8799' }

export function ground(dark: boolean): typeof LIGHT {
  return dark ? DARK : LIGHT
}

/**
 * Colours for a model's own classes and values, in its order: on light ground, on dark. Any two are told apart by
 * readers of every kind of colour vision (CIEDE2000 of 15 at least), as the emotions' are.
 */
export const OWN: readonly (readonly [string, string])[] = [
  ['#3b3be3', '#5ee8e8'],
  ['#ef6306', '#d6d671'],
  ['#107070', '#c282ed'],
  ['#c70505', '#ed8297'],
  ['#8282ed', '#9e9e2e'],
  ['#049f80', '#be376d'],
  ['#7c031b', '#a03be3'],
  ['#103670', '#707010'],
]

/** The colour of the class or value at a place; from the ninth on they come again, with textures. */
export function ownColour(index: number, dark: boolean): string {
  return OWN[index % OWN.length]?.[dark ? 1 : 0] ?? ''
}

/** An emotion's colour on the page's surface, as the service has it: src/emovox/emotions.py. */
export function colourOf(emotion: EmotionView, dark: boolean): string {
  return dark ? emotion.dark_colour : emotion.colour
}
