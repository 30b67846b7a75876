// A tenant copied as another, from each placement into another, on real databases and servers.

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Mask } from '../src/core/mask.ts'
import { memorySecrets } from '../src/core/memory-secret-store.ts'
import type { Isolation } from '../src/core/placement.ts'
import { parseTenantSlug, type Tenant } from '../src/core/tenant.ts'
import { AbortedError, ConstraintError, InvalidInputError, OperationFailedError, TenantExistsError } from '../src/errors.ts'
import { type Fleet, type FleetOptions, openFleet } from '../src/fleet.ts'
import { placed } from '../src/operations/tenant-life.ts'
import { openTenantSnapshot } from '../src/postgres/copy/tenant-snapshot.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../src/postgres/embedded.ts'
import { type TestDatabase, testDatabase } from './support/database.ts'

const people = `
create table people (
  tenant_id uuid not null default partywall.tenant_id(),
  id uuid not null default partywall.uuidv7(),
  email text not null,
  name varchar(40) not null,
  phone text,
  iban text,
  salary numeric(12, 2),
  note text,
  badge bigint,
  shout text generated always as (upper(name)) stored,
  constraint people_pkey primary key (tenant_id, id),
  constraint people_email_key unique (tenant_id, email)
);
create table orders (
  tenant_id uuid not null default partywall.tenant_id(),
  id uuid not null default partywall.uuidv7(),
  buyer text,
  total int not null,
  constraint orders_pkey primary key (tenant_id, id),
  constraint orders_buyer_fkey foreign key (tenant_id, buyer) references people (tenant_id, email)
);
select partywall.protect('people');
select partywall.protect('orders');
`

const mask: Mask = {
  'people.email': 'email',
  'orders.buyer': 'email',
  'people.name': 'name',
  'people.phone': { custom: 'digits' },
  'people.iban': 'null',
  'people.salary': { noise: 20 },
  'people.note': 'text',
  'people.badge': 'hash',
}

/** Of every person; none may be in a clone. */
const secretsOf = (slug: string, i: number) => [
  `p${i}@${slug}.example`,
  `Person ${i} of ${slug}`,
  `+49 30 ${slug} ${i}`,
  `DE00 ${slug} ${i}`,
  `Note\tabout ${i}\\ of ${slug}`,
]

describe('a clone of a tenant', () => {
  let catalog: TestDatabase
  let second: EmbeddedServer
  let directory: string
  let fleet: Fleet
  let options: FleetOptions
  const secrets = memorySecrets()

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'partywall-clone-'))
    await mkdir(join(directory, 'migrations'))
    await writeFile(join(directory, 'migrations', '0001-people.sql'), people)
    catalog = await testDatabase()
    second = await startEmbeddedServer({ directory: join(directory, 'server'), settings: { fsync: 'off' } })
    const { gatekeeper, migrator, superuser } = catalog.urls
    await secrets.put('server/main/admin', superuser)
    options = {
      catalog: gatekeeper,
      admin: migrator,
      secrets,
      plans: { team: { placement: 'schema' } },
      migrations: new URL(`file://${directory}/migrations/`),
      seeds: [{ name: 'welcome', sql: [`insert into people (email, name) values ('welcome@seed.example', 'Seed')`] }],
      masks: { digits: (value) => value?.replace(/./g, '0') ?? null },
    }
    fleet = await openFleet(options)
    await fleet.migrateMain()
    await fleet.servers.add({ name: 'shelf', region: 'default', adminUrl: second.superuserUrl, labels: { dedicated: true }, tenantsMax: 1 })
    await fleet.placements.schemaDatabases.create({ server: 'main', name: `${catalog.name}_schemas` })
  })

  after(async () => {
    for (const { id } of (await fleet.catalog.list()).tenants) await fleet.tenants.offboard(id, { reason: 'The test is over.', now: true })
    await fleet.placements.templates.dropAll('main')
    await fleet.close()
    await catalog.superuser.query(`drop database if exists ${catalog.name}_schemas with (force)`)
    await second.stop()
    await rm(directory, { recursive: true, force: true })
  })

  const find = async (slug: string) => (await fleet.catalog.find({ kind: 'slug', slug: parseTenantSlug(slug) })) as Tenant
  const tenantWithPeople = async (slug: string, isolation: Isolation, count = 25): Promise<Tenant> => {
    await fleet.tenants.onboard({
      slug,
      name: slug,
      isolation,
      seeds: [],
      features: { beta: true },
      settings: { hook: 'https://secret.example' },
    })
    const tenant = await find(slug)
    await fill(tenant, count)
    return tenant
  }
  const fill = async (tenant: Tenant, count: number) => {
    await fleet.connections.asMigrator(tenant.placement.database, (control) =>
      control.transaction(async (connection) => {
        const { schema } = tenant.placement
        await connection.query('select partywall.act_for($1, null, null)', [tenant.id])
        for (let i = 0; i < count; i++) {
          const [email, name, phone, iban, note] = secretsOf(tenant.slug, i)
          await connection.query(
            `insert into ${schema}.people (email, name, phone, iban, note, salary, badge) values ($1, $2, $3, $4, $5, $6, $7)`,
            [email, name, phone, iban, note, 1000 + i, i],
          )
          await connection.query(`insert into ${schema}.orders (buyer, total) values ($1, $2)`, [email, i])
        }
        await connection.query('select partywall.stop_acting($1, false)', [tenant.id])
      }),
    )
  }
  /** All rows of a tenant, as COPY writes them. */
  const textOf = async (tenant: Tenant) =>
    await openTenantSnapshot(fleet.connections, placed(tenant), {}, async (snapshot) => {
      const pieces: Buffer[] = []
      for (const table of snapshot.tables) for await (const piece of snapshot.copyOut(table)) pieces.push(piece)
      return Buffer.concat(pieces).toString()
    })
  const rowsOf = async <Row extends object>(tenant: Tenant, text: string) =>
    await openTenantSnapshot(fleet.connections, placed(tenant), {}, (snapshot) =>
      snapshot.read((connection) => connection.query<Row>(text.replaceAll('$schema', tenant.placement.schema))),
    )
  const leakedInto = (text: string, slug: string, count = 25) =>
    Array.from({ length: count }, (_, i) => secretsOf(slug, i).map((value) => value.replace('\t', '\\t').replace(/\\ /, '\\\\ ')))
      .flat()
      .filter((value) => text.includes(value))

  for (const [from, to] of [
    ['pooled', 'schema'],
    ['schema', 'pooled'],
    ['database', 'server'],
    ['server', 'database'],
  ] as const) {
    test(`${from} to ${to}: has every row and no value that is under the mask; the other keeps its own`, async () => {
      // There is one server on the shelf: its tenant goes before the next one comes.
      const onServer = (await fleet.catalog.list({ isolation: 'server' })).tenants
      for (const { id } of onServer) await fleet.tenants.offboard(id, { reason: 'The shelf is needed.', now: true })
      const [slug, copy] = [`${from}-one`, `${from}-clone`]
      const source = await tenantWithPeople(slug, from)
      const before = await textOf(source)
      assert.equal(leakedInto(before, slug).length, 125)
      const { operation } = await fleet.tenants.clone(slug, { slug: copy, isolation: to, mask })
      const clone = await find(copy)
      assert.deepEqual([clone.status, clone.placement.isolation, clone.plan], ['active', to, source.plan])
      const text = await textOf(clone)
      assert.deepEqual(leakedInto(text, slug), [])
      assert.doesNotMatch(text, new RegExp(`${source.id}|${slug}|seed`))
      const [sum] = await rowsOf<{ people: number; joined: number; shouts: number; ibans: number }>(
        clone,
        `select (select count(*)::int from $schema.people) as people,
                (select count(*)::int from $schema.orders as o join $schema.people as p on p.email = o.buyer) as joined,
                (select count(*)::int from $schema.people where shout = upper(name)) as shouts,
                (select count(iban)::int from $schema.people) as ibans`,
      )
      assert.deepEqual(sum, { people: 25, joined: 25, shouts: 25, ibans: 0 })
      assert.equal(await textOf(source), before)
      // It says where it comes from, and has nothing else of the other's settings.
      const clonedFrom = clone.settings['clonedFrom'] as { readonly tenant: string; readonly at: string }
      assert.deepEqual([Object.keys(clone.settings), clonedFrom.tenant], [['clonedFrom'], source.id])
      assert.ok(Number.isFinite(Date.parse(clonedFrom.at)))
      assert.deepEqual(clone.ownFeatures, { beta: true })
      assert.deepEqual((operation?.steps['copy-rows']?.output as { readonly tables: unknown } | undefined)?.tables, [
        { table: 'people', rows: 25 },
        { table: 'orders', rows: 25 },
      ])
      assert.deepEqual(await fleet.placements.for(to).verify(placed(clone)), [])
    })
  }

  test('what looks personal and has no rule is refused by name, before anything is made', async () => {
    await tenantWithPeople('refusing', 'pooled', 2)
    const wanted = { slug: 'refused' }
    const refused = await fleet.tenants
      .clone('refusing', { ...wanted, mask: { 'people.email': 'keep', 'orders.buyer': 'keep' } })
      .catch((error: unknown) => error)
    assert.ok(refused instanceof InvalidInputError)
    assert.deepEqual(refused.details['unmasked'], ['people.name', 'people.phone', 'people.iban', 'people.salary'])
    await assert.rejects(fleet.tenants.clone('refusing', { ...wanted, mask: { ...mask, 'people.ghost': 'hash' } }), InvalidInputError)
    await assert.rejects(fleet.tenants.clone('refusing', { ...wanted, mask: { ...mask, 'orders.buyer': 'hash' } }), InvalidInputError)
    await assert.rejects(fleet.tenants.clone('refusing', { slug: 'refusing', mask }), TenantExistsError)
    const { plan, operation } = await fleet.tenants.clone('refusing', { ...wanted, mask }, { dryRun: true })
    assert.equal(operation, undefined)
    assert.match(plan.find(({ name }) => name === 'copy-rows')?.description ?? '', /people\.email \(email\)/)
    assert.equal(await find('refused'), undefined)
    await fleet.tenants.clone('refusing', { slug: 'allowed', allowUnmasked: true })
    assert.equal(leakedInto(await textOf(await find('allowed')), 'refusing', 2).length, 10)
  })

  test('a suspended tenant can be cloned, and the clone is open', async () => {
    await tenantWithPeople('sleeping', 'schema', 3)
    await fleet.tenants.suspend('sleeping', { reason: 'The test says so.' })
    await fleet.tenants.clone('sleeping', { slug: 'awake', mask })
    const clone = await find('awake')
    assert.equal(clone.status, 'active')
    assert.equal((await fleet.placements.for(clone.placement.isolation).describe(placed(clone))).gate, 'open')
  })

  test('values under the mask that no longer fit a unique key take the clone back, and say which', async () => {
    await tenantWithPeople('uniform', 'pooled', 3)
    for (const isolation of ['pooled', 'schema', 'database'] as const) {
      const same = { fixed: 'same@example.invalid' }
      const failed = await fleet.tenants
        .clone('uniform', { slug: 'uniform-clone', isolation, mask: { ...mask, 'people.email': same, 'orders.buyer': same } })
        .catch((error: unknown) => error)
      assert.ok(failed instanceof ConstraintError)
      assert.equal(failed.details['constraint'], 'people_email_key')
      assert.equal(await find('uniform-clone'), undefined)
    }
    await fleet.tenants.clone('uniform', { slug: 'uniform-clone', mask })
  })

  test('a mask of the application’s that throws leaves nothing behind, nor does a signal once the clone is cancelled', async () => {
    const source = await tenantWithPeople('fragile', 'pooled', 3)
    const rows = async () =>
      await catalog.superuser.query<{ count: string }>('select count(*) from app.people where tenant_id <> all ($1)', [
        (await fleet.catalog.list()).tenants.map(({ id }) => id),
      ])
    const broken = await openFleet({
      ...options,
      masks: {
        digits: () => {
          throw new TypeError('The mask is broken.')
        },
      },
    })
    try {
      const failed = await broken.tenants.clone('fragile', { slug: 'fragile-clone', mask }).catch((error: unknown) => error)
      assert.ok(failed instanceof OperationFailedError)
      assert.match(failed.message, /taken back/)
    } finally {
      await broken.close()
    }
    assert.equal(await find('fragile-clone'), undefined)
    const stopping = new AbortController()
    const stopped = fleet.tenants.clone(
      'fragile',
      { slug: 'fragile-clone', mask },
      { signal: stopping.signal, onProgress: ({ step, kind }) => void (step === 'copy-rows' && kind === 'step' && stopping.abort()) },
    )
    await assert.rejects(stopped, AbortedError)
    const { id } = await find('fragile-clone')
    const [open] = await fleet.tenants.list({ tenantId: id })
    await fleet.tenants.cancel(open!.id, { reason: 'Not needed any more.' })
    assert.equal(await find('fragile-clone'), undefined)
    assert.deepEqual(await rows(), [{ count: '0' }])
    assert.equal(leakedInto(await textOf(source), 'fragile', 3).length, 15)
    assert.deepEqual(await secrets.list('transfer/'), [])
  })
})
