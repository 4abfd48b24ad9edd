/** The service's API, with the types of its OpenAPI document. Every failure is a `ProblemError`. */
import createClient from 'openapi-fetch'
import { fromAnswer, gone, ProblemError } from './problem'
import type { paths } from './schema'

export const api = createClient<paths>({ baseUrl: location.origin, credentials: 'same-origin' })

type Failure = (problem: ProblemError) => void
let heard: Failure = () => undefined

/** Be told of every failure. */
export function onFailure(listener: Failure): void {
  heard = listener
}

interface Answer<T> {
  data?: T
  error?: unknown
  response: Response
}

/** What an answer holds. */
export async function ask<T>(request: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>
  try {
    answer = await request
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw told(gone())
  }
  if (answer.response.ok) return answer.data as T
  throw told(fromAnswer(answer.response.status, answer.error, answer.response.headers.get('retry-after')))
}

/** Send a form, with its progress; fetch can't tell how much of a body has gone. */
export function send<T>(
  path: string,
  form: FormData,
  headers: Record<string, string>,
  progress: (share: number) => void,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('POST', path)
    request.responseType = 'json'
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
    request.upload.onprogress = (event) => progress(event.total ? event.loaded / event.total : 0)
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(request.response as T)
      else reject(told(fromAnswer(request.status, request.response, request.getResponseHeader('retry-after'))))
    }
    request.onerror = () => reject(told(gone()))
    request.onabort = () => reject(new DOMException('', 'AbortError'))
    signal.addEventListener('abort', () => request.abort(), { once: true })
    if (signal.aborted) reject(new DOMException('', 'AbortError'))
    else request.send(form)
  })
}

/** The events of an answer to a POST, which EventSource can't make. */
export async function* events(path: string, body?: unknown): AsyncGenerator<{ kind: string; data: unknown }> {
  const json =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }
  let answer: Response
  try {
    answer = await fetch(path, { method: 'POST', credentials: 'same-origin', ...json })
  } catch {
    throw told(gone())
  }
  if (!answer.ok || !answer.body) {
    const body: unknown = await answer.json().catch(() => null)
    throw told(fromAnswer(answer.status, body, answer.headers.get('retry-after')))
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    let piece: ReadableStreamReadResult<string>
    try {
      piece = await reader.read()
    } catch {
      throw told(gone())
    }
    if (piece.done) return
    const blocks = (rest + piece.value).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const kind = /^event: (.*)$/m.exec(block)?.[1]
      const data = /^data: (.*)$/m.exec(block)?.[1]
      if (kind && data) yield { kind, data: JSON.parse(data) }
    }
  }
}

function told(problem: ProblemError): ProblemError {
  heard(problem)
  return problem
}
