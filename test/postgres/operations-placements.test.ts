// A tenant's whole life in each of the four placements, on real databases and servers.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { MemoryAuditTrail } from '../../src/core/memory-audit-trail.ts'
import { isolations } from '../../src/core/placement.ts'
import { parseTenantSlug, type Tenant } from '../../src/core/tenant.ts'
import { OperationFailedError } from '../../src/errors.ts'
import { certificateKeySet } from '../../src/operations/certificate-key.ts'
import { Operations, type OperationsOptions } from '../../src/operations/operations.ts'
import { type SignedCertificate, verifyCertificate } from '../../src/operations/purge-certificate.ts'
import { secretPurgeStore } from '../../src/operations/secret-purge-store.ts'
import { placed } from '../../src/operations/tenant-life.ts'
import { CatalogPurgeStore } from '../../src/postgres/catalog-purge-store.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { PostgresOperationJournal } from '../../src/postgres/operation-journal.ts'
import { SlotPurgeStore } from '../../src/postgres/slot-purge-store.ts'
import { DirectoryTenantExporter } from '../../src/postgres/tenant-export.ts'
import { MemorySecrets } from '../operations/stage.ts'
import { type Fleet, fleet } from '../support/fleet.ts'

const reason = 'The test says so.'

describe('the life of a tenant', () => {
  let made: Fleet
  let pools: readonly ControlPool[]
  let options: OperationsOptions
  let directory: string
  const secrets = new MemorySecrets()

  before(async () => {
    made = await fleet()
    const open = (connectionString: string) => new ControlPool({ connectionString, applicationName: 'test-operations', connectionsMax: 2 })
    const [reader, writer] = [open(made.catalog.urls.gatekeeper), open(made.catalog.urls.migrator)]
    pools = [reader, writer]
    directory = await mkdtemp(join(tmpdir(), 'partywall-export-'))
    options = {
      catalog: made.tenants,
      journal: new PostgresOperationJournal({ reader, writer }),
      auditTrail: new MemoryAuditTrail(),
      placements: (isolation) => made.placements.for(isolation),
      secrets,
      stores: [
        new CatalogPurgeStore(writer),
        new SlotPurgeStore(async (server, fn) => await made.connections.asAdministrator(server, fn)),
        secretPurgeStore({
          get: async (name) => made.secrets.get(name),
          delete: async (name) => void made.secrets.delete(name),
          list: async (prefix) => [...made.secrets.keys()].filter((name) => name.startsWith(prefix)),
        }),
      ],
      exporter: new DirectoryTenantExporter({ asMigrator: async (database, fn) => await made.connections.asMigrator(database, fn) }),
    }
  })
  after(async () => {
    for (const pool of pools) await pool.close()
    await rm(directory, { recursive: true })
    await made.strike()
  })

  const find = async (slug: string) => (await made.tenants.find({ kind: 'slug', slug: parseTenantSlug(slug) })) as Tenant
  const titles = async (tenant: Tenant) =>
    await made.as(placed(tenant), async (connection) => await connection.query<{ title: string }>('select title from notes order by title'))

  for (const isolation of isolations) {
    test(`${isolation}: onboarded, suspended, resumed, off-boarded, certified; a neighbour keeps every row`, async () => {
      const operations = new Operations(options)
      const [slug, beside] = [`${isolation}-one`, `${isolation}-two`]
      for (const each of [slug, beside]) {
        await operations.onboard({ slug: each, name: each, isolation })
        const tenant = await find(each)
        assert.deepEqual([tenant.status, tenant.placement.isolation], ['active', isolation])
        await made.as(placed(tenant), async (connection) => {
          await connection.query(`insert into notes (title) select 'of ' || $1 || ' ' || g from generate_series(1, 7) as g`, [each])
        })
      }
      const [tenant, neighbour] = [await find(slug), await find(beside)]
      await operations.suspend(slug, { reason })
      await assert.rejects(titles(tenant), { code: /PW00[124]/ })
      assert.equal((await titles(neighbour)).length, 7)
      await operations.resume(slug, { reason })
      assert.equal((await titles(tenant)).length, 7)
      const to = join(directory, slug)
      const { operation } = await operations.offboard(slug, { reason, now: true, batchRows: 3, exportTo: to })
      const notes = (await readFile(join(to, 'notes.jsonl'), 'utf8')).trim().split('\n')
      assert.equal(notes.length, 7)
      assert.ok(notes.every((line) => line.includes(`of ${slug} `)))
      const signed = operation?.steps['certify']?.output as unknown as SignedCertificate
      const certificate = await verifyCertificate(signed.text, await certificateKeySet(secrets))
      assert.equal(certificate.tenant.placement.isolation, isolation)
      assert.ok((certificate.stores[0]?.removed.length ?? 0) > 0)
      assert.deepEqual(await made.placements.for(isolation).remains(placed(tenant)), [])
      assert.equal(await find(slug), undefined)
      assert.equal((await titles(neighbour)).length, 7)
    })

    test(`${isolation}: an onboarding that breaks after its place was made is taken back, and the name is free`, async () => {
      const slug = `${isolation}-three`
      const breaking = new Operations({ ...options, hooks: { beforeOpen: () => Promise.reject(new Error('The hook is broken.')) } })
      await assert.rejects(breaking.onboard({ slug, name: slug, isolation }), OperationFailedError)
      const tenant = await find(slug)
      assert.equal(tenant.status, 'onboarding')
      await assert.rejects(titles(tenant), { code: /PW00[124]/ })
      const open = await breaking.list({ tenantId: tenant.id })
      assert.equal((await breaking.cancel(open[0]?.id ?? '', { reason })).state, 'cancelled')
      assert.equal(await find(slug), undefined)
      assert.deepEqual(await made.placements.for(isolation).remains(placed(tenant)), [])
      await new Operations(options).onboard({ slug, name: slug, isolation })
      assert.equal((await find(slug)).status, 'active')
    })
  }
})
