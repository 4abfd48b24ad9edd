/** Plays a recording, or the two sides of a call in step, with its picture if it has one, from any point, or one stretch alone or over and over. */
import { store, stored } from '../lib/storage'

let sounding: HTMLAudioElement | null = null // of two recordings side by side one is heard

export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2] as const
const APART = 0.06 // seconds that two sides may be out of step

export class Player {
  time = $state(0)
  playing = $state(false)
  /** The sound can't be had. */
  broken = $state(false)
  /** Whether a stretch that is played begins again at its end. */
  looping = $state(false)
  speed = $state(1)
  volume = $state(1)
  /** Which of two sides is heard alone; null: both. */
  solo = $state<number | null>(null)

  readonly #audios: HTMLAudioElement[] = []
  readonly #sources: string[] = []
  #picture: HTMLVideoElement | null = null
  #stretch: { start: number; end: number } | null = null
  #frame = 0

  constructor(source: string) {
    const volume = Number(stored('volume') ?? 1)
    if (volume >= 0 && volume <= 1) this.volume = volume
    const audio = this.add(source)
    audio.addEventListener('play', () => this.#begun())
    audio.addEventListener('pause', () => this.#paused())
    audio.addEventListener('timeupdate', () => this.#look())
    audio.addEventListener('seeked', () => this.#look())
    audio.addEventListener('ended', () => this.#ended())
  }

  /** Another side, which is played in step. */
  add(source: string): HTMLAudioElement {
    const audio = new Audio()
    audio.preload = 'none'
    audio.addEventListener('error', () => (this.broken = audio.src !== ''))
    this.#audios.push(audio)
    this.#sources.push(source)
    this.#adjust()
    return audio
  }

  /** A picture without sound, which goes in step with it: an action of its element. */
  readonly show = (picture: HTMLVideoElement): { destroy: () => void } => {
    this.#picture = picture
    picture.currentTime = this.time
    this.#adjust()
    if (this.playing) this.#roll()
    return { destroy: () => (this.#picture = null) }
  }

  toggle(): void {
    if (this.playing) this.#pause()
    else {
      if (!this.looping) this.#stretch = null
      void this.#play()
    }
  }

  seek(time: number): void {
    const { start, end } = this.#stretch ?? { start: 0, end: 0 }
    if (time < start || time >= end) this.#stretch = null
    this.time = time
    for (const audio of this.#audios) if (audio.src) audio.currentTime = time
    if (this.#picture) this.#picture.currentTime = time
  }

  /** Play from one moment to another, and stop, or begin again. */
  playOnly(start: number, end: number): void {
    this.seek(start)
    this.#stretch = { start, end }
    void this.#play()
  }

  /** Begin again at the end of a stretch; null: of all. */
  loop(stretch: { start: number; end: number } | null): void {
    this.looping = !this.looping
    this.#stretch = this.looping && stretch ? { start: stretch.start, end: stretch.end } : null
    if (stretch && this.looping && (this.time < stretch.start || this.time >= stretch.end)) {
      this.seek(stretch.start)
      this.#stretch = { start: stretch.start, end: stretch.end }
    }
  }

  setSpeed(speed: number): void {
    this.speed = Math.min(2, Math.max(0.5, speed))
    this.#adjust()
  }

  /** One step faster or slower. */
  stepSpeed(by: 1 | -1): void {
    const at = SPEEDS.findIndex((speed) => speed >= this.speed)
    this.setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at + by))] ?? 1)
  }

  setVolume(volume: number): void {
    this.volume = Math.min(1, Math.max(0, volume))
    store('volume', String(this.volume))
    this.#adjust()
  }

  setSolo(side: number | null): void {
    this.solo = side
    this.#adjust()
  }

  close(): void {
    cancelAnimationFrame(this.#frame)
    for (const audio of this.#audios) {
      audio.pause()
      audio.removeAttribute('src')
      audio.load()
      if (sounding === audio) sounding = null
    }
  }

  #adjust(): void {
    for (const [side, audio] of this.#audios.entries()) {
      audio.playbackRate = audio.defaultPlaybackRate = this.speed
      audio.volume = this.solo === null || this.solo === side ? this.volume : 0
    }
    if (this.#picture) this.#picture.playbackRate = this.#picture.defaultPlaybackRate = this.speed
  }

  #pause(): void {
    for (const audio of this.#audios) audio.pause()
  }

  async #play(): Promise<void> {
    this.broken = false
    const [first] = this.#audios
    if (!first) return
    let from = this.time
    if (first.src && (first.ended || from >= first.duration - 0.02)) from = this.#stretch?.start ?? 0
    for (const [side, audio] of this.#audios.entries()) {
      if (!audio.src) audio.src = this.#sources[side] ?? ''
      if (Math.abs(audio.currentTime - from) > 0.001) audio.currentTime = from
    }
    this.#adjust()
    try {
      const there = this.#audios.filter((audio) => audio === first || !(from >= audio.duration)) // not over yet
      await Promise.all(there.map((audio) => audio.play()))
    } catch (error) {
      this.broken = !(error instanceof DOMException && error.name === 'AbortError')
    }
  }

  #begun(): void {
    const [first] = this.#audios
    if (sounding !== first) sounding?.pause()
    sounding = first ?? null
    this.playing = true
    this.#roll()
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
    this.#pause()
    this.#picture?.pause()
    const [first] = this.#audios
    if (first) this.#keep(this.#picture, first, 0.01)
  }

  #ended(): void {
    if (!this.looping) return
    this.seek(this.#stretch?.start ?? 0)
    void this.#play()
  }

  /** Set the picture going. */
  #roll(): void {
    this.#picture?.play().catch(() => undefined) // it is another file, or has been paused at once
  }

  /** Bring another element to where the first one is. */
  #keep(other: HTMLMediaElement | null, first: HTMLMediaElement, apart = APART): void {
    if (!other || other.seeking || Math.abs(other.currentTime - first.currentTime) <= apart) return
    if (first.currentTime <= other.duration) other.currentTime = first.currentTime
  }

  #look(): void {
    const [first, ...others] = this.#audios
    if (!first || first.seeking) return
    this.time = first.currentTime
    for (const audio of others) if (audio.src && !audio.ended) this.#keep(audio, first)
    this.#keep(this.#picture, first)
    const stretch = this.#stretch
    if (!stretch || this.time < stretch.end) return
    if (this.looping) return this.seek(stretch.start)
    this.#pause()
    this.#stretch = null
    this.seek(stretch.end) // a busy machine has gone a little further
  }
}
