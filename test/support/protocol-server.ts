// A server of somebody else's protocol, written from its documentation: it keeps what it is told, in memory, and is strict. What a
// client must not send is written down, and fails the test at its end. It can be told to fail.

import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface ProtocolRequest {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

export interface ProtocolAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Instead of an answer: none at all, a closed connection, or bytes that are no HTTP. */
export type ProtocolFault = 'silence' | 'hangup' | 'garbage'

export interface ProtocolServer {
  readonly url: string
  readonly requests: readonly ProtocolRequest[]
}

/** Answers one request, and says what is wrong with it. */
export type Protocol = (request: ProtocolRequest, violation: (text: string) => void) => ProtocolAnswer

/** @param fault what happens to a request instead, by its number from 1; undefined: it is answered. */
export async function protocolServer(
  t: TestContext,
  protocol: Protocol,
  fault: (request: ProtocolRequest, number: number) => ProtocolFault | ProtocolAnswer | undefined = () => undefined,
): Promise<ProtocolServer> {
  const requests: ProtocolRequest[] = []
  const violations: string[] = []
  const server = createServer(async (incoming, response) => {
    const request = await read(incoming)
    requests.push(request)
    const wrong = fault(request, requests.length)
    if (typeof wrong === 'string') return misbehave(wrong, incoming, response)
    answer(response, wrong ?? protocol(request, (text) => violations.push(`${request.method} ${request.path}: ${text}`)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    assert.deepEqual(violations, [])
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

async function read(incoming: IncomingMessage): Promise<ProtocolRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const [path = '', query = ''] = (incoming.url ?? '').split('?')
  return { method: incoming.method ?? '', path, query, headers: incoming.headers, body: Buffer.concat(chunks).toString('utf8') }
}

function misbehave(fault: ProtocolFault, incoming: IncomingMessage, response: ServerResponse): void {
  if (fault === 'hangup') incoming.socket.destroy()
  if (fault === 'garbage') incoming.socket.end('S3cret is no HTTP\r\n\r\n')
  if (fault === 'silence') response.on('close', () => {})
}

function answer(response: ServerResponse, { status, headers, body }: ProtocolAnswer): void {
  response.writeHead(status, headers).end(body)
}
