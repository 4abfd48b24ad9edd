/** The colours that canvases need to know; the same as in app.css. */
import type { EmotionView } from '../api/types'

export const LIGHT = { surface: '#ffffff', ink: '#1c1b22', faint: '#5f5d6b', line: '#ebeaf0', wave: '#8d8a9c' }
export const DARK = { surface: '#1c1b22', ink: '#f1f0f5', faint: '#a7a4b5', line: '#2e2c38', wave: '#8a8799' }

export function ground(dark: boolean): typeof LIGHT {
  return dark ? DARK : LIGHT
}

/** An emotion's colour on the page's surface, as the service has it: src/emovox/emotions.py. */
export function colourOf(emotion: EmotionView, dark: boolean): string {
  return dark ? emotion.dark_colour : emotion.colour
}
