// The service behind: it takes what the gateway has signed for it, and nobody's own token.

import Fastify, { type FastifyInstance } from 'fastify'
import type { Tenancy } from 'partywall'
import { tenancyPlugin } from 'partywall/fastify'
import { type ServiceKeys, serviceIdentity } from 'partywall/service'

export async function createBilling(options: { readonly tenancy: Tenancy; readonly gateway: ServiceKeys }): Promise<FastifyInstance> {
  const { tenancy, gateway } = options
  const app = Fastify()
  await app.register(tenancyPlugin, { tenancy, identity: serviceIdentity({ audience: 'billing', issuers: { gateway } }) })
  app.get('/invoices', async (request) => {
    const { rows } = await tenancy.query<{ number: string }>('select number from invoices order by number')
    return { invoices: rows.map(({ number }) => number), for: tenancy.current().actor.id, requestId: request.id }
  })
  return app
}
