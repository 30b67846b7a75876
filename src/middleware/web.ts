// The adapter for servers that speak the web's Request and Response: Next.js' route handlers and server actions, and whatever else is a
// function from one to the other (SvelteKit, React Router, tRPC's fetch handler, Bun, Deno). Everything that decides is in http.ts and core/.

import type { HttpRequest } from '../core/http-request.ts'
import { requestIdOf } from '../core/request-id.ts'
import { bodyBytesMaxDefault, readBody } from './body.ts'
import { type Admission, admittedHeaders, HttpDoor, type HttpDoorOptions } from './http.ts'
import type { HttpProblem } from './problem.ts'

export interface WebTenancyOptions extends HttpDoorOptions {
  /** The address at the other end of the connection, where the server tells it. Without it nobody is a trusted proxy. */
  readonly remoteAddress?: ((request: Request) => string | undefined) | undefined
  /** The longest body that is read to verify it (webhooks), in bytes. Default 100,000. */
  readonly bodyBytesMax?: number | undefined
}

export type WebHandler<Rest extends readonly unknown[]> = (request: Request, ...rest: Rest) => Response | Promise<Response>

export interface WebTenancy {
  /** A handler that serves verified members of one active tenant, in its scope; public paths without. What it throws is answered. */
  handler<Rest extends readonly unknown[]>(handle: WebHandler<Rest>): (request: Request, ...rest: Rest) => Promise<Response>
  /**
   * Runs `fn` for whoever sent these headers: for server actions, which see no request. A hint in the path is not seen either.
   *
   * @throws {TenancyError} when the caller is not let in, and whatever `fn` throws.
   */
  run<T>(headers: Headers, fn: (admission: Admission) => T | Promise<T>): Promise<T>
  /** Who asks, and for which tenant. Undefined on public paths. */
  admissionOf(request: Request): Admission | undefined
}

/**
 * @example
 * ```ts
 * const { handler, run } = webTenancy({ tenancy, identity: oidc({ … }), hints: [header()] })
 *
 * // app/documents/route.ts
 * export const GET = handler(async () => Response.json(await list()))
 *
 * // app/actions.ts
 * export async function rename(id: string, title: string) {
 *   'use server'
 *   return await run(await headers(), () => update(id, { title }))
 * }
 * ```
 *
 * @throws {ConfigurationError}
 */
export function webTenancy(options: WebTenancyOptions): WebTenancy {
  const door = new HttpDoor(options)
  const { bodyBytesMax = bodyBytesMaxDefault, remoteAddress = () => undefined } = options
  const admissions = new WeakMap<Request, Admission>()

  const answered = async (request: Request, handle: (request: Request) => Response | Promise<Response>): Promise<Response> => {
    const incoming = webRequest(door, request, remoteAddress(request))
    const requestId = requestIdOf(incoming)
    try {
      if (door.isPublic(incoming.target)) return withHeaders(await handle(request), { 'x-request-id': requestId })
      const admission = await admitWeb(door, { incoming, request, requestId, bodyBytesMax })
      admissions.set(request, admission)
      const response = await inScope(admission, () => handle(request))
      return ownResponse(response, admission, requestId)
    } catch (error) {
      if (error instanceof Response) return withHeaders(error, { 'x-request-id': requestId })
      if (isOfNext(error)) throw error
      return problemResponse(door.problem(error, requestId))
    }
  }

  return {
    handler:
      (handle) =>
      (request, ...rest) =>
        answered(request, (admitted) => handle(admitted, ...rest)),
    run: async (headers, fn) => {
      const incoming = door.read({ method: 'POST', url: '/', rawHeaders: [...headers].flat(), socket: {} })
      const admission = await door.admit(incoming)
      return await inScope(admission, () => fn(admission))
    },
    admissionOf: (request) => admissions.get(request),
  }
}

/** A redirect, a missing page and what is not rendered in advance are thrown in Next.js, which knows its own by this property. */
function isOfNext(error: unknown): boolean {
  const { digest } = (error ?? {}) as { readonly digest?: unknown }
  return typeof digest === 'string' && /^(?:NEXT_|DYNAMIC_SERVER_USAGE|BAILOUT_TO_CLIENT_SIDE_RENDERING)/.test(digest)
}

/** The request as far as the web's form of it still has it: repeated headers are one, joined by commas, which names no tenant. */
export function webRequest(door: HttpDoor, request: Request, remoteAddress?: string): HttpRequest {
  const { pathname, search } = new URL(request.url)
  return door.read({
    method: request.method,
    url: `${pathname}${search}`,
    rawHeaders: [...request.headers].flat(),
    socket: { remoteAddress },
  })
}

interface Entry {
  readonly incoming: HttpRequest
  readonly request: Request
  readonly requestId: string
  readonly bodyBytesMax: number
}

/** @throws {TenancyError} */
export async function admitWeb(door: HttpDoor, { incoming, request, requestId, bodyBytesMax }: Entry): Promise<Admission> {
  if (!door.needsBody(incoming)) return await door.admit(incoming, requestId)
  // Of a copy: the handler reads it again.
  const body = await readBody(chunksOf(request.clone().body), bodyBytesMax)
  return await door.admit({ ...incoming, body }, requestId)
}

async function* chunksOf(stream: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  const reader = stream?.getReader()
  try {
    for (let piece = await reader?.read(); piece?.value !== undefined; piece = await reader?.read()) yield piece.value
  } finally {
    // Of two copies of a stream, one is cancelled when the other is: nobody can wait for it.
    reader?.cancel().catch(() => {})
  }
}

export function inScope<T>({ enter }: Admission, fn: () => T | Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  enter(() => void (async () => await fn())().then(resolve, reject))
  return promise
}

/** The answer with the tenant's headers. What streams it is asked for each piece in the tenant's scope. */
export function ownResponse(response: Response, admission: Admission, requestId: string): Response {
  const { 'cache-control': cacheControl = '', ...headers } = admittedHeaders(admission)
  const own = { ...headers, 'x-request-id': requestId, ...(!response.headers.has('cache-control') && { 'cache-control': cacheControl }) }
  return withHeaders(response, own, admission)
}

export function problemResponse({ status, headers, body }: HttpProblem): Response {
  return new Response(JSON.stringify(body), { status, headers: { ...headers, 'x-request-id': body.requestId } })
}

/** A copy: headers of a redirection or of a fetched response cannot be set. */
function withHeaders(response: Response, more: Readonly<Record<string, string>>, admission?: Admission): Response {
  const headers = new Headers(response.headers)
  for (const [name, value] of Object.entries(more)) headers.set(name, value)
  const { status, statusText, body } = response
  return new Response(body === null || admission === undefined ? body : scopedStream(body, admission), { status, statusText, headers })
}

function scopedStream(stream: ReadableStream<Uint8Array>, admission: Admission): ReadableStream<Uint8Array> {
  const reader = stream.getReader()
  return new ReadableStream<Uint8Array>(
    {
      pull: (controller) =>
        inScope(admission, async () => {
          const { done, value } = await reader.read()
          if (done) controller.close()
          else controller.enqueue(value)
        }),
      cancel: (reason) => inScope(admission, () => reader.cancel(reason)),
    },
    { highWaterMark: 0 },
  )
}
