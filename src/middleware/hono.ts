// The adapter for Hono: translate, admit, stay in scope, answer. Everything that decides is in http.ts and core/.

import type { Context, ErrorHandler, MiddlewareHandler, NotFoundHandler } from 'hono'
import { requestIdOf } from '../core/request-id.ts'
import { RouteNotFoundError } from '../errors.ts'
import { bodyBytesMaxDefault } from './body.ts'
import { type Admission, HttpDoor, type HttpDoorOptions, type IncomingRequest } from './http.ts'
import { admitWeb, inScope, ownResponse, problemResponse, webRequest } from './web.ts'

export interface HonoTenancyOptions extends HttpDoorOptions {
  /** The address at the other end of the connection. Default: what `@hono/node-server` tells; elsewhere unknown. */
  readonly remoteAddress?: ((context: Context) => string | undefined) | undefined
  /** The longest body that is read to verify it (webhooks), in bytes. Default 100,000. */
  readonly bodyBytesMax?: number | undefined
}

/** What a handler finds: `new Hono<TenancyEnv>()`, `context.get('tenancy')`. */
export interface TenancyEnv {
  readonly Variables: {
    /** Who asks, and for which tenant. Undefined on public paths. */
    readonly tenancy: Admission | undefined
    readonly requestId: string
  }
}

export interface HonoTenancy {
  /** First of all: what comes after it serves verified members of one active tenant, or is public. */
  readonly admit: MiddlewareHandler<TenancyEnv>
  /** For `app.onError()`. */
  readonly onError: ErrorHandler<TenancyEnv>
  /** For `app.notFound()`. */
  readonly notFound: NotFoundHandler<TenancyEnv>
}

/**
 * @example
 * ```ts
 * const { admit, onError, notFound } = honoTenancy({ tenancy, identity: oidc({ … }), hints: [header()] })
 * const app = new Hono<TenancyEnv>().onError(onError).notFound(notFound)
 * app.use(admit)
 * app.get('/documents', async (context) => context.json(await list(context.get('tenancy')!.tenant)))
 * ```
 *
 * @throws {ConfigurationError}
 */
export function honoTenancy(options: HonoTenancyOptions): HonoTenancy {
  const door = new HttpDoor(options)
  const { bodyBytesMax = bodyBytesMaxDefault } = options

  const admit: MiddlewareHandler<TenancyEnv> = async (context, next) => {
    const request = context.req.raw
    const raw = incomingOf(context)
    const remoteAddress = options.remoteAddress?.(context) ?? raw?.socket.remoteAddress
    const incoming = raw === undefined ? webRequest(door, request, remoteAddress) : door.read({ ...raw, socket: { remoteAddress } })
    const requestId = requestIdOf(incoming)
    context.set('requestId', requestId)
    context.header('x-request-id', requestId)
    if (door.isPublic(incoming.target)) return await next()
    let admission: Admission
    try {
      admission = await admitWeb(door, { incoming, request, requestId, bodyBytesMax })
    } catch (error) {
      return problemResponse(door.problem(error, requestId))
    }
    context.set('tenancy', admission)
    await inScope(admission, next)
    replace(context, ownResponse(context.res, admission, requestId))
    return undefined
  }

  const onError: ErrorHandler<TenancyEnv> = (error, context) => {
    const { status } = error as { readonly status?: unknown }
    // Hono's own, by its name: there may be several copies of the class.
    const given = error.name === 'HTTPException' || 'getResponse' in error ? Number(status) : undefined
    return problemResponse(door.problem(error, context.get('requestId') ?? requestIdOf({ headers: [] }), given))
  }
  const notFound: NotFoundHandler<TenancyEnv> = (context) => onError(new RouteNotFoundError('No route has this method and path.'), context)
  return { admit, onError, notFound }
}

/** Hono would otherwise add the old answer's headers to the new one's. */
function replace(context: Context, response: Response): void {
  context.res = undefined
  context.res = response
}

/** Node's own request, which has every header line as it was sent. */
function incomingOf(context: Context): IncomingRequest | undefined {
  const { incoming } = (context.env ?? {}) as { readonly incoming?: Partial<IncomingRequest> }
  const { method, url, rawHeaders, socket } = incoming ?? {}
  return rawHeaders === undefined || socket === undefined ? undefined : { method, url, rawHeaders, socket }
}
