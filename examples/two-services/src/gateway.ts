// The service in front: it knows the users, and asks on their behalf.

import Fastify, { type FastifyInstance } from 'fastify'
import type { IdentityProvider, Tenancy } from 'partywall'
import { tenancyPlugin } from 'partywall/fastify'
import { type ServiceKey, serviceTokens, tenantFetch } from 'partywall/service'

export async function createGateway(options: {
  readonly tenancy: Tenancy
  readonly identity: IdentityProvider
  readonly keys: readonly ServiceKey[]
  /** The origin of the service behind. */
  readonly billing: string
}): Promise<FastifyInstance> {
  const { tenancy, identity, keys, billing } = options
  const tokens = serviceTokens({ tenancy, issuer: 'gateway', keys })
  const call = tenantFetch({ tokens, audiences: { [billing]: 'billing' } })
  const app = Fastify()
  await app.register(tenancyPlugin, { tenancy, identity, publicPaths: ['/.well-known/jwks.json'] })
  app.get('/.well-known/jwks.json', async () => await tokens.jwks())
  app.get('/api/invoices', async (_request, reply) => {
    const answer = await call(`${billing}/invoices`)
    return await reply.code(answer.status).send(await answer.json())
  })
  return app
}
