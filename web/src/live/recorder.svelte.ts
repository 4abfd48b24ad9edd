/** The microphone, recognised live by the service while it is recorded. */
import { asProblem, fromDetails, gone, ProblemError } from '../api/problem'
import type { Emotion, ProblemDetails, ReadoutResult, Scores } from '../api/types'
import type { Inference as Options } from '../state/options.svelte'
import captureUrl from './capture.worklet.ts?worker&url'
import { Growing } from './growing'
import { Tape } from './tape'

/** What recognises, and whether who speaks was told. */
type Inference = Options & { readonly notice?: boolean }

/** What is said of a moment. */
export interface Moment {
  readonly time: number
  readonly speech: boolean
  readonly emotion: Emotion | null
  readonly confidence: number | null
  readonly scores: Scores | null
  readonly scores_without?: Scores | null // left out where no baseline moves them
  readonly readouts?: Readonly<Record<string, ReadoutResult>> // left out where there is nothing to say
}

/** A recording that the service hasn't stored, or not all of it. */
export interface Unsaved {
  readonly name: string
  readonly seconds: number
  readonly file: File
  /** What happened; null where a problem is told of beside it. */
  readonly trouble: Trouble | null
}

export type Trouble = 'denied' | 'none' | 'tooShort' | 'lost' | 'ended' | 'gaps'
type State = 'idle' | 'starting' | 'recording' | 'finishing'

interface Message {
  type: 'update' | 'emotion_changed' | 'heartbeat' | 'problem' | 'ended'
  time: number
  speech: boolean
  emotion: Emotion | null
  confidence: number | null
  scores: Scores | null
  scores_without?: Scores | null
  readouts?: Record<string, ReadoutResult>
  problem: ProblemDetails
  output: string | null
}

const KEPT = 240 // moments: a minute
const BEHIND = 20_000_000 // bytes that may wait to be sent
const WORTH = 0.5 // seconds from which it is worth keeping

class Recorder {
  state = $state<State>('idle')
  trouble = $state<Trouble | null>(null)
  problem = $state.raw<ProblemError | null>(null)
  /** Seconds of sound so far. */
  seconds = $state(0)
  /** Loudest sample of the latest piece, 0 to 1. */
  level = $state(0)
  /** Whether it waits to go on: what is said meanwhile isn't taken. */
  paused = $state(false)
  /** Whether the service is gone: all of it is still kept in the tab. */
  alone = $state(false)
  /** All of it so far; it changes with `seconds`. */
  growing = new Growing()
  moments = $state.raw<Moment[]>([])
  /** What they are relative to. */
  baseline = $state<string | null>(null)
  /** Those that the browser tells of: it does once it was allowed to use one. */
  microphones = $state.raw<readonly MediaDeviceInfo[]>([])
  /** The one that is used; empty: the browser's usual one. */
  microphone = $state('')
  /** Recordings that are in this tab and nowhere else, until somebody lets go of them. */
  unsaved = $state.raw<readonly Unsaved[]>([])

  #context: AudioContext | null = null
  #stream: MediaStream | null = null
  #socket: WebSocket | null = null
  #tape: Tape | null = null
  #name = ''
  #end: (() => void) | null = null

  /** Whether browsers let this page record: they hide microphones from what came neither over TLS nor from this machine. */
  get possible(): boolean {
    return (navigator.mediaDevices as MediaDevices | undefined) !== undefined
  }

  /** Record until `stop`; gives the id of the stored outputs, or null where there are none. */
  async record(name: string, inference: Inference): Promise<string | null> {
    this.state = 'starting'
    this.#name = name
    Object.assign(this, {
      trouble: null,
      problem: null,
      seconds: 0,
      level: 0,
      moments: [],
      paused: false,
      alone: false,
    })
    this.growing = new Growing()
    this.baseline = inference.baseline ?? null
    try {
      this.#stream = await this.#microphone()
      if (!this.#stream) return null
      return await this.#run(this.#stream, name, inference)
    } catch (error) {
      this.problem = asProblem(error)
      return null
    } finally {
      this.#release()
      if (this.#socket) {
        this.#socket.onclose = null // that it closes now is as it should be
        this.#socket.close()
        this.#socket = null
      }
      const file = this.tape()
      if (file && (this.problem || (this.trouble && this.trouble !== 'tooShort'))) {
        this.unsaved = [...this.unsaved, { name, seconds: this.seconds, file, trouble: this.trouble }]
        this.trouble = null
      }
      this.#tape = null
      this.state = 'idle'
    }
  }

  async findMicrophones(): Promise<void> {
    if (!this.possible) return
    const devices = await navigator.mediaDevices.enumerateDevices().catch(() => [])
    this.microphones = devices.filter(({ kind, deviceId, label }) => kind === 'audioinput' && deviceId && label)
  }

  stop(): void {
    if (this.state !== 'recording') return
    this.state = 'finishing'
    this.paused = false
    this.#release()
    if (this.alone) this.#end?.()
    else this.#socket?.send(JSON.stringify({ type: 'end' }))
  }

  pause(): void {
    if (this.state !== 'recording') return
    this.paused = !this.paused
    if (!this.paused) return
    this.level = 0
    if (!this.alone) this.#socket?.send(JSON.stringify({ type: 'pause' })) // it would take it that nobody is there
  }

  /** What was recorded so far, as a file; null where that is next to nothing. */
  tape(): File | null {
    const tape = this.#tape
    if (!tape || tape.seconds < WORTH) return null
    return new File([tape.wav()], `${this.#name.replaceAll(':', '-')}.wav`, { type: 'audio/wav' })
  }

  /** Let go of a recording: it is safe, or nobody wants it. */
  drop(one: Unsaved): void {
    this.unsaved = this.unsaved.filter((other) => other !== one)
  }

  async #microphone(): Promise<MediaStream | null> {
    try {
      const audio = {
        echoCancellation: false,
        noiseSuppression: false,
        autoGainControl: false,
        ...(this.microphone && { deviceId: { ideal: this.microphone } }), // it may have been unplugged
      }
      const stream = await navigator.mediaDevices.getUserMedia({ audio })
      void this.findMicrophones()
      return stream
    } catch (error) {
      const refused = error instanceof DOMException && ['NotAllowedError', 'SecurityError'].includes(error.name)
      this.trouble = refused ? 'denied' : 'none'
      return null
    }
  }

  async #run(stream: MediaStream, name: string, inference: Inference): Promise<string | null> {
    for (const track of stream.getTracks()) track.onended = () => this.stop() // it was unplugged: what was said is kept
    const context = new AudioContext()
    this.#context = context
    await context.audioWorklet.addModule(captureUrl)
    const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/v1/live`)
    this.#socket = socket
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve()
      socket.onclose = () => reject(gone())
    })
    const start = { sample_rate: context.sampleRate, format: 'f32', channels: 1, store: true, name, ...inference }
    socket.send(JSON.stringify(start))
    const tape = new Tape(context.sampleRate)
    this.#tape = tape
    const capture = new AudioWorkletNode(context, 'capture', { numberOfOutputs: 0 })
    capture.port.onmessage = (event: MessageEvent<Float32Array<ArrayBuffer>>) => this.#take(event.data, tape)
    context.createMediaStreamSource(stream).connect(capture)
    this.state = 'recording'
    return new Promise((resolve, reject) => {
      socket.onmessage = (event: MessageEvent<string>) => {
        const message = JSON.parse(event.data) as Message
        if (message.type === 'update') this.#show(message)
        else if (message.type === 'problem') reject(streamProblem(fromDetails(message.problem)))
        else if (message.type === 'ended') {
          if (this.state === 'recording') this.trouble = 'ended'
          else if (message.output === null) this.trouble ??= 'tooShort'
          resolve(message.output)
        }
      }
      this.#end = () => resolve(null)
      socket.onclose = () => {
        this.trouble = 'lost'
        // Who is speaking needn't stop: the tab has it all.
        if (this.state === 'recording') this.alone = true
        else resolve(null)
      }
    })
  }

  #show(moment: Moment): void {
    this.moments = [...this.moments.slice(1 - KEPT), moment]
    const leads = moment.emotion ?? Object.values(moment.readouts ?? {}).find(({ label }) => label)?.label ?? null
    const [first] = Object.values(moment.readouts ?? {})
    const confidence = moment.confidence ?? first?.confidence ?? 0
    this.growing.lead(moment.time, moment.speech ? leads : null, confidence)
  }

  #take(piece: Float32Array<ArrayBuffer>, tape: Tape): void {
    if (this.state !== 'recording' || this.paused) return
    const before = tape.seconds
    tape.add(piece)
    let level = 0
    for (const sample of piece) level = Math.max(level, Math.abs(sample))
    this.level = Math.min(1, level)
    this.growing.push(before, tape.seconds, this.level)
    this.seconds = tape.seconds
    const socket = this.#socket
    if (socket?.readyState !== WebSocket.OPEN) return // which `onclose` tells of
    if (socket.bufferedAmount > BEHIND) this.trouble = 'gaps'
    else socket.send(piece)
  }

  #release(): void {
    for (const track of this.#stream?.getTracks() ?? []) track.stop()
    this.#stream = null
    void this.#context?.close()
    this.#context = null
  }
}

/** A stream that finds no room isn't begun again by itself. */
function streamProblem(problem: ProblemError): ProblemError {
  return problem.kind === 'busy' ? new ProblemError('streams-busy', problem.status, problem.detail) : problem
}

export const recorder = new Recorder()
