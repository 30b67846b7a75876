// A whole fleet: four tenants onboarded from four plans, served by one process through the same statements, and off-boarded with a
// certificate.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { memorySecrets } from '../src/core/memory-secret-store.ts'
import { parseTenantSlug } from '../src/core/tenant.ts'
import { TenantExistsError, TenantNotFoundError } from '../src/errors.ts'
import { type Fleet, openFleet } from '../src/fleet.ts'
import { certificateKeySet } from '../src/operations/certificate-key.ts'
import { type SignedCertificate, verifyCertificate } from '../src/operations/purge-certificate.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../src/postgres/embedded.ts'
import { createTenancy, type Tenancy } from '../src/tenancy.ts'
import { type TestDatabase, testDatabase } from './support/database.ts'

const plans = {
  free: {},
  team: { placement: 'schema' },
  business: { placement: 'database' },
  enterprise: { placement: 'server', features: { audit: true } },
} as const

const cast = [
  { slug: 'acme', plan: 'free', isolation: 'pooled' },
  { slug: 'globex', plan: 'team', isolation: 'schema' },
  { slug: 'initech', plan: 'business', isolation: 'database' },
  { slug: 'umbrella', plan: 'enterprise', isolation: 'server' },
] as const

describe('a fleet', () => {
  let catalog: TestDatabase
  let second: EmbeddedServer
  let directory: string
  let fleet: Fleet
  let tenancy: Tenancy
  const secrets = memorySecrets()

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'partywall-fleet-'))
    catalog = await testDatabase()
    second = await startEmbeddedServer({ directory, settings: { fsync: 'off' } })
    const { gatekeeper, migrator, app, superuser } = catalog.urls
    await secrets.put('server/main/admin', superuser)
    fleet = await openFleet({
      catalog: gatekeeper,
      admin: migrator,
      secrets,
      plans,
      migrations: new URL('../examples/documents/migrations/', import.meta.url),
      seeds: [
        {
          name: 'welcome',
          run: async (scope, { id, name }) =>
            void (await scope.query('insert into documents (tenant_id, title) values ($1, $2)', [id, `Welcome, ${name}`])),
        },
      ],
    })
    await fleet.migrateMain()
    await fleet.servers.add({ name: 'shelf', region: 'default', adminUrl: second.superuserUrl, labels: { dedicated: true }, tenantsMax: 1 })
    await fleet.placements.schemaDatabases.create({ server: 'main', name: `${catalog.name}_schemas` })
    tenancy = await createTenancy({ catalog: gatekeeper, database: app, admin: migrator, secrets, plans })
  })

  after(async () => {
    await tenancy?.close()
    for (const { slug } of cast) {
      await fleet?.tenants.offboard(slug, { reason: 'The test is over.', now: true }).catch((error: unknown) => {
        if (!(error instanceof TenantNotFoundError)) throw error
      })
    }
    await fleet?.placements.templates.dropAll('main')
    await fleet?.close()
    await catalog.superuser.query(`drop database if exists ${catalog.name}_schemas with (force)`)
    await second?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  test('onboards a tenant where its plan says', async () => {
    for (const { slug, plan, isolation } of cast) {
      const { operation } = await fleet.tenants.onboard({ slug, name: slug, plan })
      assert.equal(operation?.state, 'done')
      const tenant = await tenancy.tenants.get(slug)
      assert.equal(tenant.placement.isolation, isolation)
      assert.equal(tenant.version, '0002')
      const adapter = fleet.placements.for(isolation)
      assert.deepEqual(await adapter.verify({ ...tenant }), [])
    }
  })

  test('serves all of them from one process, through the same statements, each its own rows alone', async () => {
    const seen = await Promise.all(
      cast.map(({ slug }) =>
        tenancy.run(slug, async ({ tenant }) => {
          await tenancy.query('insert into documents (tenant_id, title) values ($1, $2)', [tenant.id, `Plan of ${slug}`])
          await tenancy.transaction((tx) => tx.query('update documents set content = $1 where title = $2', ['secret', `Plan of ${slug}`]))
          return (await tenancy.query<{ title: string }>('select title from documents order by title')).rows.map(({ title }) => title)
        }),
      ),
    )
    assert.deepEqual(
      seen,
      cast.map(({ slug }) => [`Plan of ${slug}`, `Welcome, ${slug}`]),
    )
    assert.equal(tenancy.stats().databases, 4)
  })

  test('keeps each of them from every other one’s rows', async () => {
    for (const { slug } of cast) {
      for (const other of cast.filter((each) => each.slug !== slug)) {
        const { id } = await tenancy.tenants.get(other.slug)
        await tenancy.run(slug, async () => {
          assert.deepEqual((await tenancy.query('select id from documents where tenant_id = $1', [id])).rows, [])
          await assert.rejects(tenancy.query('insert into documents (tenant_id, title) values ($1, $2)', [id, 'foreign']))
        })
      }
    }
  })

  test('refuses to change by the catalog alone what is in another database', async () => {
    await assert.rejects(tenancy.tenants.update('globex', { keys: { bigint: '7' } }), { code: 'PW_OPERATION_REQUIRED' })
    await assert.rejects(tenancy.tenants.suspend('initech', { reason: 'Not this way.' }), { code: 'PW_OPERATION_REQUIRED' })
    const { placement } = await tenancy.tenants.get('initech')
    await assert.rejects(tenancy.tenants.update('acme', { placement } as object), { code: 'PW_INVALID_INPUT' })
  })

  test('suspends a tenant at once, wherever it lives, and lets it in again', async () => {
    for (const { slug } of cast) {
      await fleet.tenants.suspend(slug, { reason: 'The invoice is open.' })
      // This process may not have heard of it yet: then the database says so.
      const read = tenancy.run(slug, () => tenancy.query('select id from documents'))
      await assert.rejects(read, { code: 'PW_TENANT_SUSPENDED' })
      await fleet.tenants.resume(slug, { reason: 'It is paid.' })
      await until(async () => (await tenancy.tenants.find({ kind: 'slug', slug: parseTenantSlug(slug) }))?.status === 'active')
      const { rows } = await tenancy.run(slug, () => tenancy.query('select title from documents'))
      assert.equal(rows.length, 2)
    }
  })

  test('off-boards a tenant with a certificate, and nothing of it comes back', async () => {
    const keys = await certificateKeySet(secrets)
    for (const { slug } of cast) {
      const { id } = await tenancy.tenants.get(slug)
      const { operation } = await fleet.tenants.offboard(slug, { reason: 'The contract ended.', now: true })
      assert.equal(operation?.state, 'done')
      const { text } = operation.steps['certify']!.output as unknown as SignedCertificate
      const read = await verifyCertificate(text, keys)
      assert.equal(read.tenant.id, id)
      await assert.rejects(
        tenancy.run(slug, () => tenancy.query('select 1')),
        TenantNotFoundError,
      )
      await assert.rejects(fleet.tenants.onboard({ slug, name: slug }), TenantExistsError)
    }
    assert.deepEqual((await fleet.catalog.list()).tenants, [])
    assert.deepEqual(await secrets.list('tenant/'), [])
  })
})

/** A process hears of a change a moment after it. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await wait(5)
}
