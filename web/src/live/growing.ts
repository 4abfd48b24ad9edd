/** A recording while it is made, as a ribbon: how loud it is, and what leads, in stretches that get longer with it. */

export interface Stretch {
  readonly level: number // loudest sample, 0 to 1
  readonly name: string | null // of what leads; null: nobody speaks, or it isn't known yet
  readonly confidence: number
}

const MOST = 720 // stretches; beyond that two become one
const STEP = 0.1 // seconds of a stretch at first

export class Growing {
  step = STEP
  readonly #levels: number[] = []
  #leaders: { name: string | null; confidence: number }[] = []

  /** Take in how loud the sound was from one moment to another, in seconds. */
  push(from: number, to: number, level: number): void {
    while (to / this.step > MOST) this.#halve()
    for (let index = Math.floor(from / this.step); index * this.step < to; index++)
      this.#levels[index] = Math.max(this.#levels[index] ?? 0, level)
  }

  /** Take in what leads at a moment: it is said of the stretches since the last one. */
  lead(time: number, name: string | null, confidence: number): void {
    const last = Math.min(Math.floor(time / this.step), MOST)
    for (let index = Math.min(this.#leaders.length, last); index <= last; index++)
      this.#leaders[index] = { name, confidence }
  }

  get stretches(): Stretch[] {
    return this.#levels.map((level, index) => ({
      level,
      ...(this.#leaders[index] ?? { name: null, confidence: 0 }),
    }))
  }

  #halve(): void {
    this.step *= 2
    const levels = this.#levels.splice(0)
    for (let index = 0; index < levels.length; index += 2)
      this.#levels.push(Math.max(levels[index] ?? 0, levels[index + 1] ?? 0))
    this.#leaders = this.#leaders.filter((_, index) => index % 2 === 0)
  }
}
