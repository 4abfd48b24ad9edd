/** Plays a recording from any point, or one stretch of it alone. */

let sounding: HTMLAudioElement | null = null // of two recordings side by side one is heard

export class Player {
  time = $state(0)
  playing = $state(false)
  /** The sound can't be had. */
  broken = $state(false)

  readonly #audio = new Audio()
  readonly #source: string
  #until: number | null = null
  #frame = 0

  constructor(source: string) {
    this.#source = source
    this.#audio.preload = 'none'
    this.#audio.addEventListener('play', () => this.#begun())
    this.#audio.addEventListener('pause', () => this.#paused())
    this.#audio.addEventListener('timeupdate', () => this.#look())
    this.#audio.addEventListener('seeked', () => this.#look())
    this.#audio.addEventListener('error', () => (this.broken = this.#audio.src !== ''))
  }

  toggle(): void {
    if (this.playing) this.#audio.pause()
    else {
      this.#until = null
      void this.#play()
    }
  }

  seek(time: number): void {
    this.#until = null
    this.time = time
    if (this.#audio.src) this.#audio.currentTime = time
  }

  /** Play from one moment to another, and stop. */
  playOnly(start: number, end: number): void {
    this.seek(start)
    this.#until = end
    void this.#play()
  }

  close(): void {
    cancelAnimationFrame(this.#frame)
    this.#audio.pause()
    this.#audio.removeAttribute('src')
    this.#audio.load()
    if (sounding === this.#audio) sounding = null
  }

  async #play(): Promise<void> {
    this.broken = false
    const from = this.time
    if (!this.#audio.src) {
      this.#audio.src = this.#source
      this.#audio.currentTime = from
    } else if (this.#audio.ended || from >= this.#audio.duration - 0.02) {
      this.#audio.currentTime = this.#until === null ? 0 : from
    }
    try {
      await this.#audio.play()
    } catch (error) {
      this.broken = !(error instanceof DOMException && error.name === 'AbortError')
    }
  }

  #begun(): void {
    if (sounding !== this.#audio) sounding?.pause()
    sounding = this.#audio
    this.playing = true
    const look = (): void => {
      this.#look()
      if (this.playing) this.#frame = requestAnimationFrame(look)
    }
    cancelAnimationFrame(this.#frame)
    this.#frame = requestAnimationFrame(look)
  }

  #paused(): void {
    this.playing = false
    cancelAnimationFrame(this.#frame)
  }

  #look(): void {
    if (this.#audio.seeking) return
    this.time = this.#audio.currentTime
    if (this.#until !== null && this.time >= this.#until) {
      this.time = this.#until
      this.#until = null
      this.#audio.pause()
    }
  }
}
