// The one place where an error becomes an HTTP answer: problem+json (RFC 9457), without stacks, causes or private messages.

import { STATUS_CODES } from 'node:http'
import { BodyTooLargeError, InternalError, InvalidInputError, MediaTypeError, RouteNotFoundError, TenancyError } from '../errors.ts'

/** What a framework's adapter has to send. */
export interface HttpProblem {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: ProblemBody
}

/** The body: RFC 9457's members, our error code, and the id by which the request is found in the logs. */
export interface ProblemBody {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code?: string | undefined
  readonly requestId: string
  /** Where a validated input is wrong. Says nothing of what was sent. */
  readonly errors?: readonly InputFault[] | undefined
}

/** One finding of a schema's validator: a JSON pointer, and what should have been there. */
export interface InputFault {
  readonly at: string
  readonly problem: string
}

export interface ProblemOptions {
  readonly requestId: string
  /** Base of the problem types, e.g. `https://docs.example.com/errors/`; the code is appended. Default: `about:blank`. */
  readonly typeBase?: string | undefined
  /** The status that the framework itself gave to the error. Its text is not shown. */
  readonly status?: number | undefined
}

const retryAfterSecMax = 3_600
const faultsMax = 20
const faultLengthMax = 200

/** Translates whatever was thrown. What nobody knows is a 500 that says so, and nothing else. */
export function problemOf(error: unknown, options: ProblemOptions): HttpProblem {
  const known = tenancyErrorOf(error)
  const foreign = known === undefined ? foreignStatus(error, options.status) : undefined
  if (foreign !== undefined) return answer(foreign, STATUS_CODES[foreign] ?? 'Error', options, foreignCode(error, foreign), {})
  const told = known ?? new InternalError('An error that partywall does not know.', { cause: error })
  const faults = told instanceof InvalidInputError ? inputFaults(error) : undefined
  return answer(told.status, told.publicMessage, options, told.code, { ...advice(told) }, faults)
}

/**
 * Our own error for one of a framework's, where there is one; ours as they are; undefined for all others.
 * Fastify's are known by their codes (Reference/Errors), those of Express' parsers by their types (body-parser, Errors).
 */
export function tenancyErrorOf(error: unknown): TenancyError | undefined {
  if (error instanceof TenancyError) return error
  if (!(error instanceof Error)) return undefined
  const { code, validation, statusCode, type } = error as {
    readonly code?: unknown
    readonly type?: unknown
    readonly validation?: unknown
    readonly statusCode?: unknown
  }
  if (validation !== undefined)
    return new InvalidInputError('The request does not have the shape that its schema asks for.', { cause: error })
  if (error instanceof SyntaxError && statusCode === 400) return new InvalidInputError('The body cannot be parsed.', { cause: error })
  if (type === 'entity.too.large') return new BodyTooLargeError('The body is longer than its parser takes.', { cause: error })
  if (type === 'charset.unsupported' || type === 'encoding.unsupported')
    return new MediaTypeError('The parser does not read this encoding.', { cause: error })
  if (typeof code !== 'string' || !code.startsWith('FST_ERR_')) return undefined
  switch (statusCode) {
    case 400:
      return new InvalidInputError(`The request cannot be read: ${code}.`, { cause: error })
    case 404:
      return new RouteNotFoundError('No route has this method and path.', { cause: error })
    case 413:
      return new BodyTooLargeError('The body is longer than the route takes.', { cause: error })
    case 415:
      return new MediaTypeError('The route does not read this media type.', { cause: error })
    default:
      return undefined
  }
}

/** For logs: what failed, without the values that drivers attach to their errors (rows, parameters, keys). */
export function describeError(error: unknown, depth = 0): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error }
  const { code } = error as { readonly code?: unknown }
  return {
    type: error.name,
    message: error.message,
    ...(typeof code === 'string' && { code }),
    ...(depth === 0 && { stack: error.stack }),
    ...(error.cause !== undefined && depth < 3 && { cause: describeError(error.cause, depth + 1) }),
  }
}

function answer(
  status: number,
  title: string,
  options: ProblemOptions,
  code: string | undefined,
  headers: Readonly<Record<string, string>>,
  errors?: readonly InputFault[],
): HttpProblem {
  const type = options.typeBase === undefined || code === undefined ? 'about:blank' : `${options.typeBase}${code}`
  return {
    status,
    headers: { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store', ...headers },
    body: { type, title, status, code, requestId: options.requestId, ...(errors !== undefined && errors.length > 0 && { errors }) },
  }
}

/** Headers that tell a client what to do: RFC 9110 §10.2.3 and §11.6.1. */
function advice(error: TenancyError): Record<string, string> {
  if (error.status === 401) return { 'www-authenticate': 'Bearer' }
  if (error.status !== 429 && error.status !== 503) return {}
  const afterMs = error.details['retryAfterMs']
  const afterSec = typeof afterMs === 'number' && afterMs > 0 ? Math.ceil(afterMs / 1000) : 1
  return { 'retry-after': String(Math.min(afterSec, retryAfterSecMax)) }
}

/** A status that a framework or a plugin chose. Its text is not: nobody has checked what it tells. */
function foreignStatus(error: unknown, given: number | undefined): number | undefined {
  if (!(error instanceof Error)) return undefined
  const { statusCode = given, code } = error as { readonly statusCode?: unknown; readonly code?: unknown }
  if (typeof statusCode !== 'number' || STATUS_CODES[statusCode] === undefined || statusCode < 400) return undefined
  return statusCode < 500 || (typeof code === 'string' && code.startsWith('FST_ERR_')) ? statusCode : undefined
}

/** What the framework itself refuses is input that is not valid, whatever status it has for that (414, 405 …). */
function foreignCode(error: unknown, status: number): string | undefined {
  const { code } = error as { readonly code?: unknown }
  return status < 500 && typeof code === 'string' && code.startsWith('FST_ERR_') ? InvalidInputError.code : undefined
}

function inputFaults(error: unknown): readonly InputFault[] {
  const { validation, validationContext } = error as { readonly validation?: unknown; readonly validationContext?: unknown }
  if (!Array.isArray(validation)) return []
  return validation.slice(0, faultsMax).map((fault: { readonly instancePath?: unknown; readonly message?: unknown }) => ({
    at: `${String(validationContext ?? 'body')}${String(fault.instancePath ?? '')}`.slice(0, faultLengthMax),
    problem: String(fault.message ?? 'is not valid').slice(0, faultLengthMax),
  }))
}
