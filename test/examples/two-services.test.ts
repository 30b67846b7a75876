// The example of two services: each with a tenancy of its own over one catalog, over real sockets.

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { shareOwnCopy } from '../../src/cli/own-copy.ts'
import { issueToken, jwt } from '../../src/identity/jwt.ts'
import { createTenancy } from '../../src/tenancy.ts'
import { groundFor, viewsOf } from '../support/cast.ts'

const key = { algorithm: 'HS256', key: Buffer.alloc(32, 7), issuer: 'https://issuer.test', audience: 'gateway' } as const
const invoices = `create table invoices (
  tenant_id uuid not null default partywall.tenant_id(), number text not null, primary key (tenant_id, number)
);
select partywall.protect('invoices')`

async function twoServices(t: TestContext) {
  shareOwnCopy()
  const { createGateway } = await import('../../examples/two-services/src/gateway.ts')
  const { createBilling } = await import('../../examples/two-services/src/billing.ts')
  const ground = await groundFor(t)
  await ground.housing.migrate(invoices)
  const [before, behind] = [await createTenancy(ground.access), await createTenancy(ground.access)]
  t.after(() => Promise.all([before.close(), behind.close()]))
  const keys = [{ kid: '2026-11', algorithm: 'EdDSA', ...generateKeyPairSync('ed25519') }] as const
  // The gateway's address is known before it is up; here the keys are read first.
  const probe = await createGateway({ tenancy: before, identity: jwt(key), keys, billing: 'http://127.0.0.1:1' })
  const published = (await probe.inject('/.well-known/jwks.json')).json()
  await probe.close()
  const billing = await createBilling({ tenancy: behind, gateway: published })
  const url = await billing.listen({ host: '127.0.0.1', port: 0 })
  const gateway = await createGateway({ tenancy: before, identity: jwt(key), keys, billing: url })
  t.after(() => Promise.all([gateway.close(), billing.close()]))
  const views = viewsOf(ground, before)
  for (const slug of ['bob', 'carol']) {
    const tenant = await views.join({ slug, name: slug })
    await before.run(tenant.id, () => before.query('insert into invoices (number) values ($1)', [`of ${slug}`]))
  }
  const bearer = async (slug: string) => `Bearer ${await issueToken({ ...key, subject: `user of ${slug}`, tenants: [slug], ttlSec: 60 })}`
  const ask = async (slug: string) =>
    await gateway.inject({ url: '/api/invoices', headers: { authorization: await bearer(slug), 'x-request-id': `request-of-${slug}` } })
  return { ask, bearer, billing, views, before }
}

test('who asks the gateway has the invoices of its own tenant, in one request from end to end', async (t) => {
  const { ask } = await twoServices(t)
  const answers = await Promise.all(['bob', 'carol', 'bob', 'carol'].map(async (slug) => [slug, (await ask(slug)).json()] as const))
  for (const [slug, answer] of answers) {
    assert.deepEqual(answer, { invoices: [`of ${slug}`], for: `user of ${slug}`, requestId: `request-of-${slug}` })
  }
})

test('who goes past the gateway, or is suspended meanwhile, is not served', async (t) => {
  const { ask, bearer, billing, views, before } = await twoServices(t)
  const past = await billing.inject({ url: '/invoices', headers: { authorization: await bearer('bob'), 'x-tenant-id': 'bob' } })
  assert.equal(past.statusCode, 401)
  const bob = await before.tenants.get('bob')
  assert.equal((await ask('bob')).statusCode, 200)
  await views.suspend(bob)
  assert.equal((await ask('bob')).statusCode, 403)
  assert.equal((await ask('carol')).statusCode, 200)
})
