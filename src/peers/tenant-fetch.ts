// A fetch that tells the services on its list for whom it asks, and nobody else.

import { ConfigurationError } from '../errors.ts'
import { serviceTokenHeader } from './service-token.ts'
import { checkServiceName, type ServiceTokens } from './service-tokens.ts'

export interface TenantFetchOptions {
  readonly tokens: Pick<ServiceTokens, 'carry'>
  /** The names of services by their exact origins: `{ 'https://billing.internal:8443': 'billing' }`. */
  readonly audiences: Readonly<Record<string, string>>
  /** What it calls. Default: the global one. */
  readonly fetch?: typeof fetch | undefined
}

/**
 * To an origin that is listed goes a token for the tenant in context, its request id and trace; to others the request as it is, without any
 * of them. Redirections of a listed service are not followed: its answer is yours to look at.
 *
 * @example
 * ```ts
 * const call = tenantFetch({ tokens, audiences: { 'https://billing.internal': 'billing' } })
 * const invoices = await call('https://billing.internal/invoices')
 * ```
 *
 * @throws {ConfigurationError} Later {@link NoTenantError} for a listed origin outside every tenant: nothing is sent then.
 */
export function tenantFetch({ tokens, audiences, fetch: send = fetch }: TenantFetchOptions): typeof fetch {
  const byOrigin = new Map<string, string>()
  for (const [origin, audience] of Object.entries(audiences)) {
    checkServiceName(audience)
    const url = URL.parse(origin)
    if (url === null || url.origin === 'null' || url.origin !== origin.replace(/\/$/, '').toLowerCase() || url.host.includes('*')) {
      throw new ConfigurationError(`${JSON.stringify(origin)} is no origin: a scheme, a host and perhaps a port.`)
    }
    byOrigin.set(url.origin, audience)
  }
  return async (input, init) => {
    const request = new Request(input, init)
    const audience = byOrigin.get(new URL(request.url).origin)
    // One that somebody has set by hand would be for whoever is asked now.
    request.headers.delete(serviceTokenHeader)
    if (audience === undefined) return await send(request)
    for (const [name, value] of Object.entries(await tokens.carry(audience))) request.headers.set(name, value)
    return await send(new Request(request, { redirect: 'manual' }))
  }
}
