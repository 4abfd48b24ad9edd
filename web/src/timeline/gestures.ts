/** The pointer on a timeline: the wheel and two fingers zoom, dragging moves, a click is a click. */
import { moved, toTime, type View, within, zoomed } from './view'

interface Point {
  readonly x: number
  readonly y: number
}

interface Target {
  readonly view: () => View
  readonly width: () => number
  readonly duration: () => number
  readonly onview: (view: View) => void
  readonly onhover: (at: Point | null) => void
  readonly onclick: (at: Point) => void
  /** The wheel was turned by somebody who may have wanted to zoom. */
  readonly onhint: () => void
  readonly onzoom: () => void
}

interface Drag {
  readonly x: number
  readonly view: View
  readonly spread: number // of two fingers
  moved: boolean
}

export class Gestures {
  readonly #target: Target
  readonly #fingers = new Map<number, number>()
  #drag: Drag | null = null

  constructor(target: Target) {
    this.#target = target
  }

  get dragging(): boolean {
    return this.#drag !== null
  }

  /** Of a node that is timed by its width. */
  readonly on = (node: HTMLElement): { destroy: () => void } => {
    const stop = new AbortController()
    const { signal } = stop
    node.addEventListener('wheel', (event) => this.#wheel(event), { passive: false, signal }) // it may keep the page
    node.addEventListener('pointerdown', (event) => this.#down(node, event), { signal })
    node.addEventListener('pointermove', (event) => this.#move(event), { signal })
    node.addEventListener('pointerup', (event) => this.#up(event), { signal })
    node.addEventListener('pointerleave', () => this.#target.onhover(null), { signal })
    node.addEventListener('pointercancel', (event) => this.#cancel(event), { signal })
    return { destroy: () => stop.abort() }
  }

  /** The wheel alone is the page's. With Ctrl, which is also what browsers make of two fingers on a touchpad, it zooms. */
  #wheel(event: WheelEvent): void {
    const { view, width, duration, onview, onhint, onzoom } = this.#target
    const zooms = event.ctrlKey || event.metaKey
    const sideways = !zooms && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1
    const delta = (sideways ? event.deltaX || event.deltaY : event.deltaY) * unit
    const now = view()
    const length = now.end - now.start
    if (sideways && length >= duration() * 0.999) return // there is nothing to move
    if (!zooms && !sideways) return onhint()
    event.preventDefault()
    if (sideways) return onview(moved(now, (length * delta) / width(), duration()))
    onzoom()
    const factor = Math.exp(-delta * (event.deltaMode || Math.abs(delta) >= 50 ? 0.0022 : 0.01))
    onview(zoomed(now, factor, toTime(event.offsetX, now, width()), duration()))
  }

  #grip(): { x: number; spread: number } {
    const xs = [...this.#fingers.values()]
    return {
      x: xs.reduce((sum, x) => sum + x, 0) / Math.max(1, xs.length),
      spread: xs.length > 1 ? Math.abs((xs[0] ?? 0) - (xs[1] ?? 0)) : 0,
    }
  }

  #down(node: HTMLElement, event: PointerEvent): void {
    if (event.button) return
    node.setPointerCapture(event.pointerId)
    this.#fingers.set(event.pointerId, event.offsetX)
    this.#drag = { ...this.#grip(), view: this.#target.view(), moved: this.#fingers.size > 1 }
    this.#target.onhover(null)
  }

  #move(event: PointerEvent): void {
    const { width, duration, onview, onhover } = this.#target
    const drag = this.#drag
    if (!this.#fingers.has(event.pointerId) || !drag) {
      if (event.pointerType !== 'touch') onhover({ x: event.offsetX, y: event.offsetY })
      return
    }
    this.#fingers.set(event.pointerId, event.offsetX)
    const { x, spread } = this.#grip()
    if (Math.abs(x - drag.x) > 4 || spread) drag.moved = true
    if (!drag.moved) return
    const held = toTime(drag.x, drag.view, width())
    const { start, end } = zoomed(drag.view, spread && drag.spread ? spread / drag.spread : 1, held, duration())
    onview(within(held - (x / width()) * (end - start), end - start, duration()))
  }

  #up(event: PointerEvent): void {
    this.#fingers.delete(event.pointerId)
    const drag = this.#drag
    this.#drag = this.#fingers.size ? { ...this.#grip(), view: this.#target.view(), moved: true } : null
    if (drag && !drag.moved && !this.#drag) this.#target.onclick({ x: event.offsetX, y: event.offsetY })
  }

  #cancel(event: PointerEvent): void {
    this.#fingers.delete(event.pointerId)
    this.#drag = null
  }
}
