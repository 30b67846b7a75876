// The endpoints of one tenant's webhooks, as its code sees them.

import { validate as isUuid, v7 as uuidv7 } from 'uuid'
import type { TenantContext } from '../../core/tenant-context.ts'
import { InvalidInputError, WebhookNotFoundError } from '../../errors.ts'
import type { WebhookSender } from './webhook-sender.ts'
import { newWebhookSecret } from './webhook-signature.ts'
import type { WebhookEndpoint, WebhookStores } from './webhook-store.ts'

/** Where the webhooks of one tenant go. */
export interface TenantWebhooks {
  /**
   * Sends events there from now on.
   *
   * @param options `types`: of the events; default all that are sent as webhooks.
   * @returns its id, and the secret that its receiver verifies with. It is not told again.
   * @throws {WebhookRefusedError} {@link WebhookFailedError} for an address that nothing may be sent to, or that leads nowhere.
   */
  add(url: string, options?: { readonly types?: readonly string[] | undefined }): Promise<{ readonly id: string; readonly secret: string }>
  list(): Promise<readonly WebhookEndpoint[]>
  /** @throws {WebhookNotFoundError} */
  remove(id: string): Promise<void>
  /**
   * Changes the secret. Until `overlapMs` is over, default a day, messages are signed with both.
   *
   * @throws {WebhookNotFoundError}
   */
  rotateSecret(id: string, options?: { readonly overlapMs?: number | undefined }): Promise<{ readonly secret: string }>
  /** Sends there again, after it was disabled. @throws {WebhookNotFoundError} */
  enable(id: string): Promise<void>
}

export interface WebhooksOfTenantsParts {
  readonly stores: WebhookStores
  readonly sender: WebhookSender
  readonly endpointsMax: number
}

const dayMs = 86_400_000
const typesMax = 100

export function tenantWebhooks({ stores, sender, endpointsMax }: WebhooksOfTenantsParts, context: TenantContext): TenantWebhooks {
  const store = stores.for(context)
  return Object.freeze<TenantWebhooks>({
    add: async (url, { types = [] } = {}) => {
      if (types.length > typesMax || types.some((type) => typeof type !== 'string' || type.length > 100)) {
        throw new InvalidInputError(`types of a webhook are at most ${typesMax} types of events.`)
      }
      await sender.check(url)
      const [id, secret] = [uuidv7(), newWebhookSecret()]
      const isAdded = await store.add({ id, url, types, secret }, endpointsMax)
      if (!isAdded) throw new InvalidInputError(`A tenant may have ${endpointsMax} endpoints of webhooks.`)
      return { id, secret }
    },
    list: async () => await store.list(),
    remove: async (id) => assertFound(id, isUuid(id) && (await store.remove(id))),
    rotateSecret: async (id, { overlapMs = dayMs } = {}) => {
      if (!Number.isSafeInteger(overlapMs) || overlapMs < 0 || overlapMs > 365 * dayMs) {
        throw new InvalidInputError(`overlapMs is ${overlapMs}; it may be 0 to a year.`)
      }
      const secret = newWebhookSecret()
      assertFound(id, isUuid(id) && (await store.rotate(id, secret, overlapMs)))
      return { secret }
    },
    enable: async (id) => assertFound(id, isUuid(id) && (await store.enable(id))),
  })
}

function assertFound(id: string, isFound: boolean): void {
  if (!isFound) throw new WebhookNotFoundError(`There is no endpoint ${JSON.stringify(id)} of webhooks.`)
}
