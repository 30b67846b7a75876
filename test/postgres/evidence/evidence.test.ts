// Evidence of four tenants, each in another placement, on a real fleet; and what is said when a wall is gone.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { memorySecrets } from '../../../src/core/memory-secret-store.ts'
import type { TenantSlug } from '../../../src/core/tenant.ts'
import { EvidenceInvalidError, TenantNotFoundError } from '../../../src/errors.ts'
import { htmlOf } from '../../../src/evidence/html.ts'
import { assertSourced } from '../../../src/evidence/proof-source.ts'
import { type EvidenceReport, type EvidenceStatement, tally } from '../../../src/evidence/report.ts'
import { verifyEvidenceFile } from '../../../src/evidence/verify-file.ts'
import { type Fleet, openFleet } from '../../../src/fleet.ts'
import { certificateKeySet } from '../../../src/operations/certificate-key.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../../src/postgres/embedded.ts'
import { rolesWithAPath } from '../../../src/postgres/evidence/roles-with-a-path.ts'
import { createTenancy } from '../../../src/tenancy.ts'
import { operator, person, usual } from '../../support/break-glass.ts'
import { type TestDatabase, testDatabase } from '../../support/database.ts'

const cast = [
  { slug: 'acme', isolation: 'pooled' },
  { slug: 'globex', isolation: 'schema' },
  { slug: 'initech', isolation: 'database' },
  { slug: 'umbrella', isolation: 'server' },
] as const

describe('evidence', () => {
  let catalog: TestDatabase
  let second: EmbeddedServer
  let directory: string
  let fleet: Fleet
  const secrets = memorySecrets()

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'partywall-evidence-'))
    catalog = await testDatabase()
    second = await startEmbeddedServer({ directory, settings: { fsync: 'off' } })
    const { gatekeeper, migrator, superuser } = catalog.urls
    await secrets.put('server/main/admin', superuser)
    fleet = await openFleet({
      catalog: gatekeeper,
      admin: migrator,
      secrets,
      migrations: new URL('../../../examples/documents/migrations/', import.meta.url),
      seeds: [
        {
          name: 'welcome',
          run: async (scope, { id }) => void (await scope.query('insert into documents (tenant_id, title) values ($1, $2)', [id, 'Hello'])),
        },
      ],
    })
    await fleet.migrateMain()
    await fleet.servers.add({ name: 'shelf', region: 'default', adminUrl: second.superuserUrl, labels: { dedicated: true }, tenantsMax: 1 })
    await fleet.placements.schemaDatabases.create({ server: 'main', name: `${catalog.name}_schemas` })
    for (const { slug, isolation } of cast) await fleet.tenants.onboard({ slug, name: `${slug} <b>Ltd.</b>`, plan: 'free', isolation })
  })

  after(async () => {
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

  async function evidenceOf(slug: string) {
    const tenant = await fleet.catalog.find({ kind: 'slug', slug: slug as TenantSlug })
    return await fleet.evidence.report(tenant!)
  }

  for (const { slug, isolation } of cast) {
    test(`of a tenant in the placement ${isolation} says what was seen, and nothing that was not`, async () => {
      const { report } = await evidenceOf(slug)
      assert.equal(report.tenant.isolation, isolation)
      const failed = statements(report).filter(({ verdict }) => verdict === 'failed')
      assert.deepEqual(
        failed.map(({ id, proof }) => [id, ...proof.details]),
        [],
      )
      assert.equal(found(report, 'placement').verdict, 'passed')
      const neighbour = found(report, 'neighbour-sees-nothing')
      assert.equal(neighbour.verdict, 'passed', neighbour.proof.details.join('\n'))
      assert.match(neighbour.text, /In [1-9]\d* of them there was something to get/)
      assert.equal(found(report, 'region').verdict, 'passed')
      // What does not exist here has not passed.
      assert.equal(found(report, 'audit-log').verdict, 'told')
      assert.equal(found(report, 'audit-chain').verdict, 'passed')
      for (const id of ['canaries', 'tenant-from-session', 'job-context']) {
        assert.equal(found(report, id).verdict, 'not_present', id)
      }
      assert.match(found(report, 'break-glass').text, /Nobody of our staff asked/)
      assert.match(found(report, 'doctor').text, /^(?:[6-9]\d|1\d\d) checks/)
      assertSourced(report)
    })
  }

  test('is red where the wall is gone: every attempt that got something is named', async () => {
    const { superuser } = catalog
    await superuser.query('alter table app.documents disable row level security')
    try {
      const { report } = await evidenceOf('acme')
      const neighbour = found(report, 'neighbour-sees-nothing')
      assert.equal(neighbour.verdict, 'failed')
      for (const what of ['read every row', 'read the rows by your key', 'lock the rows', 'change the rows', 'delete the rows']) {
        assert.ok(
          neighbour.proof.details.some((line) => line.includes(`app.documents: ${what}: leaked`)),
          what,
        )
      }
      assert.equal(found(report, 'placement').verdict, 'failed')
      assert.equal(found(report, 'queries-filtered').verdict, 'failed')
      assert.equal(found(report, 'row-level-security').verdict, 'failed')
      // What was tried was taken back.
      const [left] = await superuser.query<{ count: string }>('select count(*) from app.documents')
      assert.notEqual(left?.count, '0')
    } finally {
      await superuser.query('alter table app.documents enable row level security')
    }
  })

  test('names every login that could see all rows', async () => {
    await catalog.superuser.query('create role evidence_staff login bypassrls')
    try {
      const roles = found((await evidenceOf('acme')).report, 'roles-with-a-path')
      assert.ok(
        roles.proof.details.some((line) => /^evidence_staff: .*bypasses policies/.test(line)),
        roles.proof.details.join('\n'),
      )
      assert.ok(roles.proof.details.some((line) => /^partywall_migrator: .*can become partywall_owner/.test(line)))
      assert.ok(!roles.proof.details.some((line) => line.startsWith('partywall_app')))
    } finally {
      await catalog.superuser.query('drop role evidence_staff')
    }
  })

  test('a login of a tenant’s own that could see all rows is told as the application’s', async () => {
    // Roles are everybody's on the server: in a transaction that is taken back.
    const over = new RangeError('looked at')
    const looking = catalog.superuser.transaction(async (tx) => {
      const lineOf = async () => (await rolesWithAPath(tx)).find(({ role }) => role === 'evidence_own')?.path
      await tx.query('create role evidence_own login bypassrls')
      assert.equal(await lineOf(), 'bypasses policies')
      await tx.query('grant partywall_tenants to evidence_own')
      assert.equal(await lineOf(), 'application: bypasses policies')
      await tx.query('alter role evidence_own nobypassrls')
      assert.equal(await lineOf(), undefined)
      throw over
    })
    await assert.rejects(looking, over)
  })

  test('a grant that was used is told with what the tenant’s log has of it; a denied and an undecided one with who decided', async () => {
    const [ada, grace] = [person('ada'), person('grace')]
    for (const { staff, publicKey } of [ada, grace]) await fleet.staff.add({ id: staff, name: staff, publicKey }, operator)
    const tenant = (await fleet.catalog.find({ kind: 'slug', slug: 'globex' as TenantSlug }))!
    const asked = async () => (await fleet.breakGlass.request(usual(tenant), ada)).id
    const used = (await fleet.breakGlass.approve(await asked(), grace)).id
    const { gatekeeper, app } = catalog.urls
    const tenancy = await createTenancy({ catalog: gatekeeper, database: app, secrets, audit: {} })
    try {
      await tenancy.breakGlass(used, ada, async () => {
        await tenancy.query('select title from documents')
        for await (const row of tenancy.stream('select title from documents')) assert.ok(row)
        await assert.rejects(tenancy.query(`update documents set title = 'changed'`))
      })
      await tenancy.breakGlass(used, ada, () => tenancy.query('select 1 from documents'))
      // What the tenant does itself is none of the grant's.
      await tenancy.run(tenant.id, () => tenancy.query('select 1 from documents'))
    } finally {
      await tenancy.close()
    }
    const { endedAt, openedAt } = await fleet.breakGlass.end(used, ada)
    await fleet.breakGlass.deny(await asked(), grace)
    await asked()
    const told = found((await evidenceOf('globex')).report, 'break-glass')
    assert.equal(told.verdict, 'told')
    assert.match(
      told.text,
      /3 times in this time: 1 approved, 1 denied, 1 without a decision\. 1 was used: 4 statements recorded before they were sent\./,
    )
    const [undecided, denied, given] = told.proof.details
    const why = 'ada asked to read: The invoice of May is missing [SUP-4711]'
    assert.equal(undecided, `${why}; nobody has decided yet, and so it opens nothing`)
    assert.equal(denied, `${why}; denied by grace`)
    const took = '(?:less than a second|\\d+ seconds?)'
    assert.match(
      given!.replace(`${why}; approved by grace; used from ${openedAt!.toISOString()}, 2 times, `, ''),
      new RegExp(
        `^${took} from the first record to the last: 4 statements in the operator’s audit trail; 4 in your own log, of which 1 refused; given back ${endedAt!.toISOString()}$`,
      ),
    )
    assert.match(found((await evidenceOf('acme')).report, 'break-glass').text, /Nobody of our staff asked/)
  })

  test('is signed; a page that was changed, and a page that shows something else, are refused', async () => {
    const signed = await evidenceOf('acme')
    const keys = await certificateKeySet(secrets)
    const page = htmlOf(signed)
    assert.ok(!page.includes('<b>Ltd.'), 'names are escaped')
    assert.deepEqual(await verifyEvidenceFile(page, keys), signed.report)
    assert.deepEqual(await verifyEvidenceFile(signed.text, keys), signed.report)
    const { passed } = tally(signed.report)
    assert.ok(passed > 0)
    await assert.rejects(verifyEvidenceFile(page.replace(`<b>${passed}</b> passed`, '<b>99</b> passed'), keys), EvidenceInvalidError)
    const [header, payload, signature] = signed.text.split('.') as [string, string, string]
    const forged = Buffer.from(Buffer.from(payload, 'base64url').toString().replace('"pooled"', '"server"')).toString('base64url')
    await assert.rejects(verifyEvidenceFile(`${header}.${forged}.${signature}`, keys), EvidenceInvalidError)
    await assert.rejects(verifyEvidenceFile(page, await certificateKeySet(memorySecrets())), EvidenceInvalidError)
    await assert.rejects(verifyEvidenceFile('<html></html>', keys), { code: 'PW_EVIDENCE_INVALID' })
  })
})

function statements({ sections }: EvidenceReport): readonly EvidenceStatement[] {
  return sections.flatMap((section) => section.statements)
}

function found(report: EvidenceReport, id: string): EvidenceStatement {
  const [statement] = statements(report).filter((each) => each.id === id)
  assert.ok(statement, id)
  return statement
}
