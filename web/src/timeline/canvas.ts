/** Canvases: as sharp as the screen, once a frame; and the marks on top of the picture. */
import type { Layout } from './layout'
import type { Look } from './paint'
import { toX, type View } from './view'

/** A canvas's context, cleared and scaled to CSS pixels. */
export function scaled(
  canvas: HTMLCanvasElement | undefined,
  wide: number,
  high: number,
): CanvasRenderingContext2D | null {
  const context = canvas?.getContext('2d') ?? null
  if (!canvas || !context) return null
  const ratio = devicePixelRatio
  const [w, h] = [Math.round(wide * ratio), Math.round(high * ratio)]
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h]
  else context.clearRect(0, 0, w, h)
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  return context
}

/** Calls at the next frame, once, however often it is asked to; at once for a printer, which waits for none. */
export function later(work: () => void): () => void {
  let frame = 0
  return () => {
    if (matchMedia('print').matches) return work()
    frame ||= requestAnimationFrame(() => {
      frame = 0
      work()
    })
  }
}

interface Marks {
  readonly view: View
  readonly place: Layout
  readonly look: Look
  readonly time: number
  readonly hover: number | null
}

/** The cursor, and a line below the pointer. */
export function drawMarks(context: CanvasRenderingContext2D, { view, place, look, time, hover }: Marks): void {
  const line = (x: number): void => {
    context.beginPath()
    context.moveTo(x, place.axis)
    context.lineTo(x, place.bottom)
    context.stroke()
  }
  if (hover !== null) {
    context.strokeStyle = look.faint
    context.setLineDash([2, 3])
    line(hover)
    context.setLineDash([])
  }
  const x = toX(time, view, place.width)
  if (x < -6 || x > place.width + 6) return
  context.strokeStyle = context.fillStyle = look.ink
  context.lineWidth = 1.5
  line(x)
  context.beginPath()
  context.moveTo(x - 5.5, place.axis - 8)
  context.lineTo(x + 5.5, place.axis - 8)
  context.lineTo(x, place.axis)
  context.fill()
}
