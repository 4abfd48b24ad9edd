/** Text on a canvas, as much of it as there is room for. */
import { ink } from '../lib/colours'
import type { Line } from '../lib/readouts'

export const EMOJI = '"Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji", system-ui, sans-serif'
export const FONT = 'system-ui, -apple-system, "Segoe UI", "Noto Sans CJK SC", "PingFang SC", sans-serif'

/** A text, or as much of it as there is room for. */
export function shortened(context: CanvasRenderingContext2D, text: string, room: number): string {
  if (context.measureText(text).width <= room) return text
  let [low, high] = [0, Math.min(text.length, Math.ceil(room / 3))]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (context.measureText(`${text.slice(0, middle)}…`).width <= room) low = middle
    else high = middle - 1
  }
  return low ? `${text.slice(0, low).trimEnd()}…` : ''
}

const widths = new Map<string, number>()

/** The width of a short text, which is measured once. */
function widthOf(context: CanvasRenderingContext2D, text: string): number {
  const key = `${context.font} ${text}`
  let width = widths.get(key)
  if (width === undefined) {
    if (widths.size > 2000) widths.clear()
    widths.set(key, (width = context.measureText(text).width))
  }
  return width
}

/** Write the first of some texts that there is room for, behind an emoji. */
export function write(
  context: CanvasRenderingContext2D,
  texts: readonly string[],
  { colour, texture, emoji }: Pick<Line, 'colour' | 'texture' | 'emoji'>,
  left: number,
  width: number,
  y: number,
): void {
  if (width < 20) return
  const room = width - 10
  context.font = `14px ${EMOJI}`
  const picture = emoji ? widthOf(context, emoji) : -6
  const begin = Math.max(left, 0)
  const small = picture + 10 > room
  context.fillStyle = ink(colour)
  if (picture > 0) context.fillText(emoji, begin + (small ? (width - picture) / 2 : 5), y)
  context.font = `12px ${FONT}`
  const text = small ? undefined : texts.find((text) => widthOf(context, text) <= room - picture - 6)
  if (!text) return
  if (texture) {
    context.strokeStyle = colour // clear of the texture
    context.lineWidth = 4
    context.lineJoin = 'round'
    context.strokeText(text, begin + picture + 10, y)
  }
  context.fillText(text, begin + picture + 10, y)
}
