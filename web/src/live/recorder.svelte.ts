/** The microphone, heard live by the service while it is recorded. */
import { asProblem, fromDetails, gone, ProblemError } from '../api/problem'
import type { Emotion, ProblemDetails, Scores } from '../api/types'
import type { Asked } from '../state/options.svelte'
import captureUrl from './capture.worklet.ts?worker&url'

/** What was heard at a moment. */
export interface Moment {
  readonly time: number
  readonly emotion: Emotion | null
  readonly confidence: number | null
  readonly scores: Scores | null
}

export type Trouble = 'denied' | 'none' | 'insecure' | 'tooShort' | 'lost'
type State = 'idle' | 'starting' | 'recording' | 'finishing'

interface Message {
  type: 'heard' | 'emotion_changed' | 'heartbeat' | 'problem' | 'ended'
  time: number
  emotion: Emotion | null
  confidence: number | null
  scores: Scores | null
  problem: ProblemDetails
  output: string | null
}

const KEPT = 240 // moments: a minute
const BEHIND = 20_000_000 // bytes that may wait to be sent

class Recorder {
  state = $state<State>('idle')
  trouble = $state<Trouble | null>(null)
  problem = $state.raw<ProblemError | null>(null)
  /** Seconds of sound so far. */
  seconds = $state(0)
  /** Loudest sample of the latest piece, 0 to 1. */
  level = $state(0)
  moments = $state.raw<Moment[]>([])

  #context: AudioContext | null = null
  #stream: MediaStream | null = null
  #socket: WebSocket | null = null

  /** Record until `stop`; gives the id of the stored outputs, or null where there are none. */
  async record(name: string, hearing: Pick<Asked, 'model' | 'head'>): Promise<string | null> {
    this.state = 'starting'
    Object.assign(this, { trouble: null, problem: null, seconds: 0, level: 0, moments: [] })
    try {
      this.#stream = await this.#microphone()
      if (!this.#stream) return null
      return await this.#run(this.#stream, name, hearing)
    } catch (error) {
      this.problem = asProblem(error)
      return null
    } finally {
      this.#release()
      this.#socket?.close()
      this.#socket = null
      this.state = 'idle'
    }
  }

  stop(): void {
    if (this.state !== 'recording') return
    this.state = 'finishing'
    this.#release()
    this.#socket?.send(JSON.stringify({ type: 'end' }))
  }

  async #microphone(): Promise<MediaStream | null> {
    // Browsers hide it from pages that came neither over TLS nor from this machine.
    const devices = navigator.mediaDevices as MediaDevices | undefined
    if (!devices) {
      this.trouble = 'insecure'
      return null
    }
    try {
      const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false }
      return await devices.getUserMedia({ audio })
    } catch (error) {
      const refused = error instanceof DOMException && ['NotAllowedError', 'SecurityError'].includes(error.name)
      this.trouble = refused ? 'denied' : 'none'
      return null
    }
  }

  async #run(stream: MediaStream, name: string, hearing: Pick<Asked, 'model' | 'head'>): Promise<string | null> {
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
    const start = { sample_rate: context.sampleRate, format: 'f32', channels: 1, store: true, name, ...hearing }
    socket.send(JSON.stringify(start))
    const capture = new AudioWorkletNode(context, 'capture', { numberOfOutputs: 0 })
    capture.port.onmessage = (event: MessageEvent<Float32Array<ArrayBuffer>>) => this.#take(event.data, context.sampleRate)
    context.createMediaStreamSource(stream).connect(capture)
    this.state = 'recording'
    return new Promise((resolve, reject) => {
      socket.onmessage = (event: MessageEvent<string>) => {
        const message = JSON.parse(event.data) as Message
        if (message.type === 'heard') this.moments = [...this.moments.slice(1 - KEPT), message]
        else if (message.type === 'problem') reject(streamProblem(fromDetails(message.problem)))
        else if (message.type === 'ended') {
          if (message.output === null) this.trouble = 'tooShort'
          resolve(message.output)
        }
      }
      socket.onclose = () => {
        this.trouble ??= 'lost'
        resolve(null)
      }
    })
  }

  #take(piece: Float32Array<ArrayBuffer>, rate: number): void {
    const socket = this.#socket
    if (this.state !== 'recording' || socket?.readyState !== WebSocket.OPEN) return
    if (socket.bufferedAmount > BEHIND) return
    socket.send(piece)
    this.seconds += piece.length / rate
    let level = 0
    for (const sample of piece) level = Math.max(level, Math.abs(sample))
    this.level = Math.min(1, level)
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
