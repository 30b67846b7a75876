// The checks as a whole: files, tests and documentation are in step; a sound fleet passes; everything is said at once.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { databaseNameOf, type Isolation } from '../../../../src/core/placement.ts'
import type { PlacedTenant } from '../../../../src/core/placement-adapter.ts'
import { MoveRefusedError } from '../../../../src/errors.ts'
import type { ControlPool } from '../../../../src/postgres/control-pool.ts'
import { assertMovable, moveChecks, preflight } from '../../../../src/postgres/moves/preflight.ts'
import { type Fleet, fleet } from '../../../support/fleet.ts'
import {
  aboutServers,
  catalogReader,
  inPlace,
  movableMigrations,
  needsMoves,
  schemaFor,
  situationOf,
} from '../../../support/move-checks.ts'

const root = new URL('../../../../', import.meta.url)

test('every check is a file, a section of the tests and a section of the documentation of one name', async () => {
  const rules = moveChecks.map(({ rule }) => rule)
  assert.deepEqual(rules, rules.toSorted())
  const files = await readdir(new URL('src/postgres/moves/preflight/', root))
  assert.deepEqual(files.toSorted(), rules.map((rule) => `${rule}.ts`).toSorted())
  const tests = (await readdir(new URL('.', import.meta.url))).filter((name) => name.endsWith('.test.ts'))
  const texts = await Promise.all(tests.map((name) => readFile(new URL(name, import.meta.url), 'utf8')))
  const tested = texts.flatMap((text) => [...text.matchAll(/describe\('([a-z-]+):'/g)].map((match) => match[1]))
  assert.deepEqual(tested.toSorted(), rules)
  const text = await readFile(new URL('docs/reference/move-preflight.md', root), 'utf8')
  assert.deepEqual(
    [...text.matchAll(/^### ([a-z-]+)$/gm)].map((match) => match[1]),
    rules,
  )
  for (const { rule, level } of moveChecks) assert.ok(text.includes(`### ${rule}\n\nLevel: ${level}.`), `${rule} is ${level}`)
})

describe('before a move, all checks together', { skip: needsMoves }, () => {
  let made: Fleet
  let reader: ControlPool
  let tenant: PlacedTenant

  before(async () => {
    made = await fleet(movableMigrations)
    reader = catalogReader(made)
    tenant = await made.tenant('pooled')
  })

  after(async () => {
    await reader?.close()
    await made?.strike()
  })

  for (const isolation of ['schema', 'database', 'server'] as const satisfies readonly Isolation[]) {
    test(`a sound tenant can be moved to the isolation ${isolation}, before and after that is made`, async (t) => {
      const adapter = made.placements.for(isolation)
      const target = await adapter.place(tenant)
      const situation = situationOf(made, tenant, target, { reader })
      const before = await preflight(situation)
      assert.deepEqual(
        before.filter(({ rule }) => !aboutServers.includes(rule)),
        [],
      )
      await adapter.provision({ ...tenant, placement: target })
      const startedAt = performance.now()
      const findings = await preflight(situation)
      t.diagnostic(`${moveChecks.length} checks in ${Math.round(performance.now() - startedAt)} ms`)
      assert.deepEqual(
        findings.filter(({ rule }) => !aboutServers.includes(rule)),
        [],
      )
      assertMovable(findings)
    })

    test(`and from the isolation ${isolation} to shared tables`, async () => {
      const dweller = await made.tenant(isolation)
      const findings = await preflight(situationOf(made, dweller, tenant.placement, { reader }))
      assert.deepEqual(
        findings.filter(({ rule }) => !aboutServers.includes(rule)),
        [],
      )
    })
  }

  test('everything is said at once, what refuses first, and the error has all of it', async () => {
    const other = await made.tenant('pooled')
    const target = await schemaFor(made, other)
    const situation = situationOf(made, other, target, { reader })
    await inPlace(situation, 'target', 'alter table notes replica identity nothing; drop index notes_folder_idx')
    await inPlace(situation, 'target', 'alter table folders add column more text')
    const findings = await preflight({ ...situation, tenant: { ...other, region: 'eu' } })
    const said = findings.filter(({ rule }) => !aboutServers.includes(rule)).map(({ rule, level }) => `${level} ${rule}`)
    assert.deepEqual(said, ['refuse region', 'refuse replica-identity', 'refuse table-shape', 'warn unindexed-foreign-key'])
    assert.throws(
      () => assertMovable(findings),
      (error: MoveRefusedError) => {
        assert.ok(error instanceof MoveRefusedError)
        assert.equal(error.details['findings'], findings)
        assert.match(error.message, /replica-identity: target .*notes.*\n {4}alter table .*notes replica identity default;/)
        assert.doesNotMatch(error.message, /unindexed-foreign-key/)
        return true
      },
    )
    assert.doesNotThrow(() => assertMovable(findings.filter(({ level }) => level === 'warn')))
  })

  test('a check that fails refuses, and the others are made all the same', async () => {
    const situation = situationOf(
      made,
      tenant,
      { isolation: 'database', server: 'main', database: databaseNameOf(tenant.id), schema: 'app' },
      { reader },
    )
    const broken = {
      ...situation,
      migrations: { version: '0001', versionOf: () => Promise.reject(new MoveRefusedError('The ledger is gone.')) },
    }
    const findings = (await preflight(broken)).filter(({ level }) => level === 'refuse')
    assert.deepEqual(
      findings.map(({ rule, problem }) => [rule, problem]),
      [['migration-version', 'It could not be checked: The ledger is gone.']],
    )
  })

  test('nothing is left behind', async () => {
    const left = await made.connections.asAdministrator('main', (admin) =>
      admin.query(
        // Other tests move tenants on this server, in databases of their own.
        `select r.rolname from pg_catalog.pg_roles as r
          where starts_with(r.rolname, 'pw_tr_') and has_database_privilege(r.oid, $1, 'connect')
          union all
         select s.subname
           from pg_catalog.pg_subscription as s
           join pg_catalog.pg_database as d on d.oid = s.subdbid
          where d.datname = $1`,
        [made.catalog.name],
      ),
    )
    assert.deepEqual(left, [])
  })

  describe('leftovers:', () => {
    test('what a move left behind is a warning, until it is gone', async () => {
      const situation = situationOf(made, tenant, { ...tenant.placement, database: 'none' }, { reader })
      const name = `pw_mv_${randomUUID().replaceAll('-', '')}`
      assert.deepEqual(await preflight(situation, ['leftovers']), [])
      await made.alice(tenant.placement, `create publication ${name}`)
      const [finding] = await preflight(situation, ['leftovers'])
      assert.deepEqual([finding?.level, finding?.object], ['warn', `publication ${name}`])
      await made.alice(tenant.placement, `drop publication ${name}`)
      assert.deepEqual(await preflight(situation, ['leftovers']), [])
    })
  })
})
