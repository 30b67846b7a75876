// From an HTTP request to a tenant's scope, for every framework. An adapter translates its request, calls admit(), keeps its
// hooks and handlers inside enter(), and sends problem() when something throws. It decides nothing.

import { type HintReader, readHints } from '../core/hints.ts'
import { type HttpRequest, headerLines } from '../core/http-request.ts'
import { type Identity, type IdentityProvider, identify } from '../core/identity.ts'
import { requestIdOf } from '../core/request-id.ts'
import { resolveTenant } from '../core/resolver.ts'
import type { TenancyDoor } from '../core/tenancy-door.ts'
import type { Tenant } from '../core/tenant.ts'
import { createTenantContext, type TenantContext } from '../core/tenant-context.ts'
import { traceOf } from '../core/trace-context.ts'
import { IdentityRequiredError, InvalidInputError } from '../errors.ts'
import { type HttpProblem, problemOf } from './problem.ts'
import { publicPathTest } from './public-paths.ts'
import { clientAddress, trustedProxyTest } from './trusted-proxies.ts'

/** How requests get to their tenant. The same for every framework. */
export interface HttpDoorOptions {
  readonly tenancy: TenancyDoor
  /** Who verifies callers; with several, exactly one of them must recognise a request's credential. */
  readonly identity: IdentityProvider | readonly IdentityProvider[]
  /** Where requests name their tenant. All that do must agree. Default: nowhere; the identity alone says it. */
  readonly hints?: readonly HintReader[] | undefined
  /** Paths without identity and tenant: `/health` exactly, `/assets/` with everything below. */
  readonly publicPaths?: readonly string[] | undefined
  /** Addresses or networks of proxies whose X-Forwarded-Host counts. Default: none. */
  readonly trustedProxies?: readonly string[] | undefined
  /** Base of the `type` of problems; the error's code is appended. Default: `about:blank`. */
  readonly problemTypeBase?: string | undefined
}

/** A request that was let in. */
export interface Admission {
  readonly identity: Identity
  readonly tenant: Tenant
  readonly context: TenantContext
  /** Runs `fn` in the tenant's scope, whoever calls: sockets and timers call back in contexts of their own. */
  readonly enter: (fn: () => void) => void
}

/** What Node's `IncomingMessage` has, and other servers can give. */
export interface IncomingRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly rawHeaders: readonly string[]
  readonly socket: { readonly remoteAddress?: string | undefined }
}

/** One for each mounted middleware. */
export class HttpDoor {
  readonly #tenancy: TenancyDoor
  readonly #providers: readonly IdentityProvider[]
  readonly #hints: readonly HintReader[]
  readonly #problemTypeBase: string | undefined
  readonly #isTrustedProxy: (remoteAddress: string | undefined) => boolean
  /** Does the target need neither identity nor tenant? */
  readonly isPublic: (target: string) => boolean

  /** @throws {ConfigurationError} */
  constructor(options: HttpDoorOptions) {
    this.#tenancy = options.tenancy
    this.#providers = Array.isArray(options.identity) ? options.identity : [options.identity as IdentityProvider]
    this.#hints = options.hints ?? []
    this.#problemTypeBase = options.problemTypeBase
    this.#isTrustedProxy = trustedProxyTest(options.trustedProxies ?? [])
    this.isPublic = publicPathTest(options.publicPaths ?? [])
  }

  /** The request as it came over the wire. */
  read(incoming: IncomingRequest): HttpRequest {
    const { remoteAddress } = incoming.socket
    const headers = headerLines(incoming.rawHeaders)
    return {
      method: incoming.method ?? 'GET',
      target: incoming.url ?? '/',
      headers,
      throughTrustedProxy: this.#isTrustedProxy(remoteAddress),
      from: clientAddress({ headers }, remoteAddress, this.#isTrustedProxy),
    }
  }

  /** Must the body be read before admit()? */
  needsBody(request: HttpRequest): boolean {
    return this.#providers.some((provider) => provider.readsBody?.(request) === true)
  }

  /**
   * Verifies the caller, finds the tenant, makes the context.
   *
   * @throws {TenancyError} 400, 401, 403, 404 or 503, for problem().
   */
  async admit(request: HttpRequest, requestId = requestIdOf(request)): Promise<Admission> {
    // The absolute form brings a second host with it (RFC 9112 §3.2.2), which nobody here has compared.
    if (!request.target.startsWith('/')) throw new InvalidInputError('The request target is not a path.')
    const identity = await identify(this.#providers, request)
    if (identity === undefined) throw new IdentityRequiredError('The request carries no credential.')
    const { auditTrail, tenants, scope } = this.#tenancy
    const tenant = await resolveTenant({ identity, hints: readHints(this.#hints, request), tenants, auditTrail, requestId })
    const route = request.route === undefined ? undefined : `${request.method} ${request.route}`
    const context = createTenantContext({ tenant, actor: identity.actor, requestId, trace: traceOf(request), route, from: request.from })
    const enter = scope.run(context, () => scope.bind((fn: () => void) => fn()))
    return Object.freeze({ identity, tenant, context, enter })
  }

  /** The answer to an error; `status` is what the framework gave to it. */
  problem(error: unknown, requestId: string, status?: number): HttpProblem {
    return problemOf(error, { requestId, typeBase: this.#problemTypeBase, status })
  }
}

/** Headers of an admitted request's answer. A handler may say otherwise of caching; a shared cache may not guess. */
export function admittedHeaders(admission: Admission): Readonly<Record<string, string>> {
  return { 'x-tenant-id': admission.tenant.id, 'cache-control': 'private, no-store' }
}
