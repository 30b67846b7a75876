// One request of the soak and its answer, over connections that are kept alive.

import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import type { SoakState } from './soak.ts'

export interface Exchange {
  readonly method: string
  readonly path: string
  readonly apiKey: string
  readonly body?: unknown
  /** The client hangs up as soon as the request is on its way. */
  readonly hangUp?: boolean | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

const timeoutMs = 15_000

/** @returns undefined when the client hung up. Rejects when the service does. */
export function exchange(state: SoakState, wanted: Exchange): Promise<Answer | undefined> {
  const body = wanted.body === undefined ? undefined : JSON.stringify(wanted.body)
  const headers = {
    'x-api-key': wanted.apiKey,
    ...(body !== undefined && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
  }
  return new Promise((resolve, reject) => {
    const request = httpRequest(new URL(wanted.path, state.url), { method: wanted.method, headers, agent: state.agent, timeout: timeoutMs })
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString('utf8') }),
      )
    })
    request.on('timeout', () => request.destroy(new RangeError(`No answer within ${timeoutMs} ms.`)))
    request.on('error', (error) => (wanted.hangUp ? resolve(undefined) : reject(error)))
    // The odd answer is there before we hang up: then it is an answer like any other.
    if (wanted.hangUp) request.on('finish', () => setImmediate(() => request.destroy()))
    request.end(body)
    if (wanted.hangUp) request.on('close', () => resolve(undefined))
  })
}
