/** Textures on areas, for what has the same colour: as lines of SVG paths in a square, and on canvases. */
import type { EmotionView } from '../api/types'

export type Texture = EmotionView['texture']

/** Textures of a model's own classes, of which the ninth has the first one's colour again. */
export const TEXTURES: readonly Texture[] = ['', 'dots', 'stripes']

const SIZE = 6 // pixels
const made = new Map<string, CanvasPattern | string>()

/** What fills an area on a canvas. */
export function fill(context: CanvasRenderingContext2D, colour: string, texture: Texture): CanvasPattern | string {
  if (!texture) return colour
  const name = `${colour} ${texture}`
  const known = made.get(name)
  if (known) return known
  const tile = document.createElement('canvas')
  const scale = 2
  tile.width = tile.height = SIZE * scale
  const own = tile.getContext('2d')
  if (!own) return colour
  own.scale(scale, scale)
  own.fillStyle = colour
  own.fillRect(0, 0, SIZE, SIZE)
  own.fillStyle = own.strokeStyle = 'rgb(255 255 255 / 55%)'
  own.beginPath()
  if (texture === 'dots') {
    for (const [x, y] of [
      [1.5, 1.5],
      [4.5, 4.5],
    ] as const)
      own.rect(x - 0.75, y - 0.75, 1.5, 1.5)
    own.fill()
  } else {
    own.lineWidth = 1.2
    for (const offset of [-SIZE, 0, SIZE]) {
      own.moveTo(offset - 1, SIZE + 1)
      own.lineTo(offset + SIZE + 1, -1)
    }
    own.stroke()
  }
  const pattern = context.createPattern(tile, 'repeat')
  if (!pattern) return colour
  pattern.setTransform(new DOMMatrix([1 / scale, 0, 0, 1 / scale, 0, 0]))
  made.set(name, pattern)
  return pattern
}
