// The way in over HTTP, whatever serves: a Fastify instance, a handler of fetch's kind, an address.

import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { InternalError, InvalidInputError } from '../../../errors.ts'

/** A request of an attacker's. */
export interface KitRequest {
  readonly method: string
  /** Path and query, as they are sent. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
}

export interface KitAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

export type KitDoor = (request: KitRequest) => Promise<KitAnswer>

/** What Hono, Bun, Deno and Workers have. */
export type FetchHandler = (request: Request) => Response | Promise<Response>

/** What Fastify has, as far as the kit needs it. */
export interface InjectableApp {
  inject(options: {
    readonly method: never
    readonly url: string
    readonly headers: Record<string, string>
    readonly payload?: string
  }): PromiseLike<{
    readonly statusCode: number
    readonly headers: Readonly<Record<string, unknown>>
    readonly body: string
  }>
  ready?(): PromiseLike<unknown>
  printRoutes?(options: { readonly commonPrefix: boolean }): string
  swagger?(): unknown
}

/** An application under test: a Fastify instance, `{ fetch }`, a handler, or where it serves. */
export type KitApp = InjectableApp | { readonly fetch: FetchHandler } | FetchHandler | URL

const answerMs = 10_000
const origin = 'http://app.test'

/** @throws {InvalidInputError} for anything else. */
export async function openKitDoor(app: KitApp): Promise<KitDoor> {
  if (app instanceof URL) return (request) => askAt(app, request)
  if (typeof app === 'function') return (request) => fetched(app, request)
  if ('inject' in app && typeof app.inject === 'function') {
    await app.ready?.()
    return (request) => injected(app, request)
  }
  if ('fetch' in app && typeof app.fetch === 'function') return (request) => fetched((each) => app.fetch(each), request)
  throw new InvalidInputError('app is neither a Fastify instance, nor a handler of fetch’s kind, nor a URL.')
}

/** The path goes out as it is: `new URL()` and fetch would take `..` and `//` for what they mean. */
function askAt(base: URL, { method, path, headers, body }: KitRequest): Promise<KitAnswer> {
  const text = body === undefined ? undefined : JSON.stringify(body)
  const own = text === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }
  const send = base.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const request = send(base, { method, path, headers: { ...own, ...headers }, agent: false, timeout: answerMs }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: flat(Object.entries(response.headers)),
          text: Buffer.concat(chunks).toString('utf8'),
        }),
      )
    })
    request.on('timeout', () => request.destroy(new InternalError(`No answer within ${answerMs} ms.`)))
    request.on('error', reject)
    request.end(text)
  })
}

async function fetched(handler: FetchHandler, { method, path, headers, body }: KitRequest): Promise<KitAnswer> {
  const hasBody = body !== undefined && method !== 'GET' && method !== 'HEAD'
  const answer = await handler(
    new Request(`${origin}${path}`, {
      method,
      headers: { ...(hasBody && { 'content-type': 'application/json' }), ...headers },
      ...(hasBody && { body: JSON.stringify(body) }),
    }),
  )
  return { status: answer.status, headers: flat([...answer.headers]), text: await answer.text() }
}

async function injected(app: InjectableApp, { method, path, headers, body }: KitRequest): Promise<KitAnswer> {
  const answer = await app.inject({
    method: method as never,
    url: path,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { payload: JSON.stringify(body) }),
  })
  return { status: answer.statusCode, headers: flat(Object.entries(answer.headers)), text: answer.body }
}

function flat(lines: Iterable<readonly [string, unknown]>): Readonly<Record<string, string>> {
  return Object.fromEntries([...lines].map(([name, value]) => [name.toLowerCase(), String(value)]))
}
