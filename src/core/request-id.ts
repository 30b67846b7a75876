// The request id: a client's own, if it is harmless in a log line and a header, or a new one.

import { type HttpRequest, headerValues } from './http-request.ts'

const safeToken = /^[A-Za-z0-9._-]{1,128}$/

/**
 * The client's `X-Request-Id` if there is exactly one and it is a token of at most 128 letters, digits, dots, dashes and
 * underscores; otherwise a new uuid. Anything else could forge log lines.
 */
export function requestIdOf(request: Pick<HttpRequest, 'headers'>): string {
  const [only, ...more] = headerValues(request, 'x-request-id')
  return only !== undefined && more.length === 0 && safeToken.test(only) ? only : crypto.randomUUID()
}
