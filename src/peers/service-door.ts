// For what is not HTTP: gRPC metadata, messages of a queue. The same door, the same refusals.

import type { TenantContext } from '../core/tenant-context.ts'
import { HttpDoor, type HttpDoorOptions } from '../middleware/http.ts'
import { type ServiceIdentityOptions, serviceIdentity } from './service-identity.ts'

export interface ServiceDoorOptions extends ServiceIdentityOptions {
  readonly tenancy: HttpDoorOptions['tenancy']
}

export interface ServiceDoor {
  /**
   * Runs `fn` in the scope of the tenant for which these headers were carried. For queues, mind that a token is good for seconds: what waits
   * longer is an event or a job.
   *
   * @throws {IdentityRequiredError} without a token. {@link InvalidIdentityError} {@link TenantNotFoundError} {@link TenantSuspendedError}
   * {@link TenantOffboardingError} and whatever `fn` throws.
   */
  receive<T>(headers: Readonly<Record<string, string | undefined>>, fn: (context: TenantContext) => T | Promise<T>): Promise<T>
}

/**
 * @example
 * ```ts
 * const door = serviceDoor({ tenancy, audience: 'billing', issuers: { gateway: jwks } })
 * const answer = await door.receive(call.metadata.getMap(), async () => await listInvoices())
 * ```
 *
 * @throws {ConfigurationError}
 */
export function serviceDoor(options: ServiceDoorOptions): ServiceDoor {
  const { tenancy } = options
  const door = new HttpDoor({ tenancy, identity: serviceIdentity(options) })
  return {
    receive: async (headers, fn) => {
      const lines = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [name, value]))
      const { context } = await door.admit(door.read({ method: 'POST', url: '/', rawHeaders: lines, socket: {} }))
      return await tenancy.scope.run(context, async (inside) => await fn(inside))
    },
  }
}
