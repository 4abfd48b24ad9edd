/** What the browser's tab says, and a word to who is elsewhere when long work has ended. */
import { preferences } from './preferences.svelte'
import { FINISHED, queue } from './queue.svelte'

const LONG = 20_000 // milliseconds of work that are worth a word

class News {
  #permission = $state<NotificationPermission>('Notification' in globalThis ? Notification.permission : 'denied')
  #began = 0

  /** Whether the reader can be asked if they want to be told. */
  readonly askable = $derived(this.#permission === 'default')
  readonly #busy = $derived(queue.items.some(({ state }) => !FINISHED.has(state)))
  /** What stands before a title: how much is done. */
  readonly progress = $derived.by(() => {
    if (!this.#busy) return ''
    const done = queue.items.reduce(
      (sum, item) => sum + (FINISHED.has(item.state) ? 1 : item.job ? item.progress : 0),
      0,
    )
    return `${Math.floor((100 * done) / queue.items.length)} % · `
  })

  async allow(): Promise<void> {
    this.#permission = await Notification.requestPermission()
  }

  /** Tell of the end of what takes long: to be called by the page, once. */
  follow(): void {
    $effect(() => {
      if (this.#busy) {
        this.#began ||= Date.now()
        return
      }
      const took = this.#began && Date.now() - this.#began
      this.#began = 0
      if (took < LONG || !document.hidden || this.#permission !== 'granted') return
      const words = preferences.words
      const failed = queue.items.filter(({ state }) => state === 'failed').length
      const text = `${words.queue.finished(queue.finished, queue.items.length)}${failed ? `, ${words.queue.failedCount(failed)}` : ''}`
      try {
        const told = new Notification('Emovox', { body: text, icon: '/favicon.svg', tag: 'emovox' })
        told.onclick = () => {
          window.focus()
          told.close()
        }
      } catch {
        // phones have them for service workers alone: there the tab's title tells
      }
    })
  }
}

export const news = new News()
