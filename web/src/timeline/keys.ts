/** What the keys do in a timeline. */
import type { Corrector } from './corrector.svelte'
import type { Navigation, Passable } from './navigation.svelte'

/** Do what a key stands for; one that stands for nothing is left to the page. */
export function press<S extends Passable>(
  navigation: Navigation<S>,
  event: KeyboardEvent,
  corrector: Corrector | null = null,
): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const { player, view, duration } = navigation
  const length = view.end - view.start
  const actions: Record<string, () => void> = {
    ' ': () => player.toggle(),
    '+': () => navigation.zoom(1.6),
    '=': () => navigation.zoom(1.6),
    '-': () => navigation.zoom(1 / 1.6),
    '0': () => navigation.fit(),
    ArrowRight: () => navigation.seek(player.time + length / (event.shiftKey ? 200 : 20)),
    ArrowLeft: () => navigation.seek(player.time - length / (event.shiftKey ? 200 : 20)),
    ArrowUp: () => navigation.zoom(1.6),
    ArrowDown: () => navigation.zoom(1 / 1.6),
    PageDown: () => navigation.pan(0.8),
    PageUp: () => navigation.pan(-0.8),
    Home: () => navigation.seek(0),
    End: () => navigation.seek(duration),
    j: () => navigation.seek(player.time - 5),
    l: () => navigation.seek(player.time + 5),
    '<': () => player.stepSpeed(-1),
    '>': () => player.stepSpeed(1),
    r: () => navigation.loop(),
    s: () => navigation.solo(),
    '[': () => navigation.step(-1),
    ']': () => navigation.step(1),
    Enter: () => navigation.playChosen(),
    ...(corrector && labelling(corrector)),
  }
  const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key]
  if (!action) return
  event.preventDefault()
  action()
}

function labelling(corrector: Corrector): Record<string, () => void> {
  const digits = corrector.classes
    .slice(0, 9)
    .map((label, index) => [`${index + 1}`, () => void corrector.put(label)])
  return {
    ...(Object.fromEntries(digits) as Record<string, () => void>),
    e: () => corrector.type(),
    z: () => void corrector.undo(),
    Backspace: () => void corrector.put(null),
    Delete: () => void corrector.put(null),
    n: () => void corrector.next(),
    t: () => corrector.train(),
  }
}
