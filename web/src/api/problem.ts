/** The one shape of every error: what the service says (RFC 9457), or that it says nothing. */
import type { ProblemDetails } from './types'

export class ProblemError extends Error {
  constructor(
    readonly kind: string,
    readonly status: number,
    readonly detail: string,
    /** Seconds to wait before it is worth trying again; null: it isn't. */
    readonly retryAfter: number | null = null,
  ) {
    super(detail)
    this.name = 'ProblemError'
  }
}

/** The kind of a problem, from its `type`. */
export function kindOf(type: string): string {
  return type.replace(/^urn:emovox:/, '')
}

/** A job's, a stream's or an event's problem. */
export function fromDetails(details: ProblemDetails): ProblemError {
  return new ProblemError(kindOf(details.type), details.status, details.detail)
}

/** The problem that an answer is. */
export function fromAnswer(status: number, body: unknown, retryAfter: string | null): ProblemError {
  const details = (body ?? {}) as Partial<ProblemDetails>
  const wait = Number.parseInt(retryAfter ?? '', 10)
  return new ProblemError(
    typeof details.type === 'string' ? kindOf(details.type) : 'unknown',
    status,
    typeof details.detail === 'string' ? details.detail : `HTTP ${status}`,
    Number.isFinite(wait) ? wait : null,
  )
}

/** The service doesn't answer. */
export function gone(): ProblemError {
  return new ProblemError('gone', 0, '')
}

export function asProblem(error: unknown): ProblemError {
  return error instanceof ProblemError ? error : new ProblemError('unknown', 0, String(error))
}
