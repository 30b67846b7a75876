// W3C Trace Context, level 1, strictly: what does not parse is dropped, since it goes into logs and on to other services.
// https://www.w3.org/TR/trace-context-1/

import { type HttpRequest, headerValues } from './http-request.ts'
import type { Trace } from './tenant-context.ts'

const traceparentPattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
const tracestateMember = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/
const tracestateLengthMax = 512
const tracestateMembersMax = 32

/** The request's trace, or undefined when it has none that is well formed. A bad `tracestate` is dropped alone. */
export function traceOf(request: Pick<HttpRequest, 'headers'>): Trace | undefined {
  const [traceparent, ...more] = headerValues(request, 'traceparent')
  if (traceparent === undefined || more.length > 0 || !traceparentPattern.test(traceparent)) return undefined
  return { traceparent, tracestate: parseTracestate(headerValues(request, 'tracestate').join(',')) }
}

function parseTracestate(text: string): string | undefined {
  if (text === '' || text.length > tracestateLengthMax) return undefined
  const members = text
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '')
  const sound = members.length > 0 && members.length <= tracestateMembersMax && members.every((member) => tracestateMember.test(member))
  return sound ? members.join(',') : undefined
}
