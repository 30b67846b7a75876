// The audit log goes where its tenant goes, stays whole on the way, and ends with it.

import assert from 'node:assert/strict'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { AuditRow } from '../../src/audit/chain.ts'
import { type AuditVerdict, verifyLog } from '../../src/audit/verify-log.ts'
import { entriesOf } from '../../src/core/audit-batch.ts'
import type { AuditEntry } from '../../src/core/audit-entry.ts'
import type { Tenant } from '../../src/core/tenant.ts'
import type { Fleet } from '../../src/fleet.ts'
import { csvRows } from '../../src/portability/csv-rows.ts'
import { type FileRow, lineBytesMaxDefault } from '../../src/portability/file-row.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import { type BackupFleet, backupFleet } from '../support/backups.ts'

const reason = 'A test of logs.'
const plans = { free: {}, team: { placement: 'schema' }, business: { placement: 'database' } } as const

describe('the audit log', () => {
  let stage: BackupFleet
  let fleet: Fleet
  let tenancy: Tenancy

  before(async () => {
    stage = await backupFleet({
      withServer: false,
      more: `select partywall.create_audit_log(); select partywall.audit_changes('folders');`,
    })
    fleet = stage.fleet
    const { gatekeeper, app, migrator } = stage.catalog.urls
    tenancy = await createTenancy({ catalog: gatekeeper, database: app, admin: migrator, secrets: stage.secrets, plans, audit: {} })
  })

  after(async () => {
    await tenancy?.close()
    await stage?.strike()
  })

  const onboard = async (slug: string, plan: keyof typeof plans): Promise<Tenant> => {
    await fleet.tenants.onboard({ slug, name: slug, plan })
    return await tenancy.tenants.get(slug)
  }
  const write = async (slug: string, name: string): Promise<void> =>
    void (await tenancy.run(slug, async () => await tenancy.query('insert into folders (name) values ($1)', [name])))
  const rows = async (slug: string): Promise<readonly AuditRow[]> => {
    await tenancy.audit.flush()
    const { rows: found } = await tenancy.run(slug, async () =>
      tenancy.query<{ position: string; at: Date; payload: string; hash: Buffer }>(
        'select a.position, a.at, a.payload::text as payload, a.hash from audit_log as a order by a.position',
      ),
    )
    return found.map(({ position, at, payload, hash }) => ({ position: BigInt(position), at: at.toISOString(), payload, hash }))
  }
  /** Names of the folders whose insertion is there, by its trigger and by its statement. */
  const inserted = (log: readonly AuditRow[]) => {
    const entries = log.flatMap(({ position, payload }) => entriesOf(position, payload))
    const isDone = ({ operation, outcome, change }: AuditEntry): boolean =>
      operation === 'insert' && outcome === 'done' && change === undefined
    return {
      changes: entries.flatMap(({ change }) => (change === undefined ? [] : [change.after?.['name']])),
      statements: entries.filter(isDone).length,
    }
  }

  test('goes with a tenant who writes while it is moved from placement to placement: nothing is lost, nothing is there twice', async () => {
    const tenant = await onboard('mover', 'free')
    const written: string[] = []
    let isOver = false
    const writing = (async () => {
      for (let n = 0; !isOver; n++) {
        await write('mover', `folder ${n}`)
        written.push(`folder ${n}`)
        // At a reader's pace: what a move copies must not depend on how fast the machine is.
        await setTimeout(5)
      }
    })()
    const has = async (more: number): Promise<void> => {
      for (const until = written.length + more; written.length < until; ) await setTimeout(5)
    }
    for (const to of ['schema', 'database', 'pooled'] as const) {
      await fleet.moves.start('mover', { to }, { reason })
      await has(20)
      await fleet.moves.switch('mover')
      await has(20)
      await fleet.moves.complete('mover')
    }
    isOver = true
    await writing
    const log = await rows('mover')
    const { changes, statements } = inserted(log)
    assert.deepEqual([...changes].sort(), [...written].sort())
    assert.equal(statements, written.length)
    assertSound(await verified(tenant, log))
  })

  test('goes on where the tenant went that a process has not heard of since', async () => {
    const tenant = await onboard('quiet', 'business')
    await write('quiet', 'there')
    await fleet.moves.start('quiet', { to: 'schema' }, { reason })
    await fleet.moves.switch('quiet')
    await fleet.moves.complete('quiet')
    const log = await rows('quiet')
    assert.deepEqual(inserted(log), { changes: ['there'], statements: 1 })
    assertSound(await verified(tenant, log))
  })

  test('is in a backup; beside it as it was; and no older state takes its place', async () => {
    const tenant = await onboard('acme', 'team')
    await write('acme', 'before')
    const atBackup = await rows('acme')
    const { id } = await fleet.backups.create('acme')
    assert.equal((await fleet.backups.verify(id)).isGood, true)
    await write('acme', 'after')

    await fleet.backups.restore(id, { as: 'acme-then', isolation: 'pooled' })
    const copy = await rows('acme-then')
    assert.deepEqual(
      copy.slice(0, atBackup.length).map(({ payload }) => payload),
      atBackup.map(({ payload }) => payload),
    )
    assertSound(await verified(await tenancy.tenants.get('acme-then'), copy), 'it is the log of the tenant beside, which it goes on with')
    await write('acme-then', 'further')
    const further = await rows('acme-then')
    assert.ok(further.length > copy.length)
    assertSound(await verified(await tenancy.tenants.get('acme-then'), further))
    assert.deepEqual(inserted(copy).changes, ['before'], 'what was restored is no change')

    await fleet.backups.merge('acme', `acme/${id}`, { overwrite: true })
    await fleet.backups.swap('acme', `acme/${id}`, { reason })
    await tenancy.run('acme', async () => {
      const { rows: left } = await tenancy.query('select f.name from folders as f')
      assert.deepEqual(left, [{ name: 'before' }], 'the rows are those of the backup')
    })
    const log = await rows('acme')
    assert.deepEqual(inserted(log).changes, ['before', 'after'], 'and the log knows what had been there since')
    assertSound(await verified(tenant, log))
  })

  test('is not in a clone: who did what to the original is nobody else’s', async () => {
    await onboard('original', 'free')
    await write('original', 'personal')
    await tenancy.audit.flush()
    await fleet.tenants.clone('original', { slug: 'sandbox', allowUnmasked: true })
    await write('sandbox', 'own')
    const log = await rows('sandbox')
    assert.deepEqual(inserted(log).changes, ['own'])
    assertSound(await verified(await tenancy.tenants.get('sandbox'), log))
    assert.doesNotMatch(log.map(({ payload }) => payload).join(), /personal/)
  })

  test('is exported with the tenant, and verifies from the file', async (t) => {
    const tenant = await onboard('exporter', 'business')
    for (const name of ['größer', 'a,b', '"quoted"']) await write('exporter', name)
    const before = await rows('exporter')
    const to = await mkdtemp(join(tmpdir(), 'partywall-export-'))
    t.after(async () => await rm(to, { recursive: true, force: true }))
    const { tables } = await fleet.exports.export('exporter', { to: join(to, 'out'), format: 'csv', reason })
    const { file } = tables.find(({ table }) => table === 'audit_log')!
    const log: AuditRow[] = []
    for await (const batch of csvRows(createReadStream(join(to, 'out', file)), lineBytesMaxDefault)) {
      for (const row of batch) log.push(auditRowOf(row))
    }
    log.sort((a, b) => (a.position < b.position ? -1 : 1))
    assert.deepEqual(
      log.slice(0, before.length).map(({ payload }) => payload),
      before.map(({ payload }) => payload),
    )
    assertSound(await verified(tenant, log))
  })

  test('ends with its tenant', async () => {
    for (const [slug, plan] of [
      ['leaver', 'free'],
      ['goer', 'business'],
    ] as const) {
      const { id } = await onboard(slug, plan)
      await write(slug, 'x')
      await tenancy.audit.flush()
      // One change is not in the log yet.
      await write(slug, 'y')
      const { operation } = await fleet.tenants.offboard(slug, { reason, now: true })
      assert.equal(operation?.state, 'done')
      for (const table of ['audit_log', 'audit_outbox']) {
        assert.deepEqual(await stage.catalog.superuser.query(`select from app.${table} as a where a.tenant_id = $1`, [id]), [])
      }
    }
  })
})

function auditRowOf({ columns, cells }: FileRow): AuditRow {
  const cell = (name: string): string => cells[columns.indexOf(name)]!
  const hash = Buffer.from(cell('hash'), 'base64')
  return { position: BigInt(cell('position')), at: cell('at'), payload: cell('payload'), hash }
}

async function verified({ id }: Tenant, log: readonly AuditRow[]): Promise<AuditVerdict> {
  return await verifyLog({ tenant: id, batches: once(log), anchors: [], keys: new Map() })
}

function assertSound({ isSound, findings, entries }: AuditVerdict, message?: string): void {
  assert.deepEqual([isSound, findings], [true, []], message)
  assert.ok(entries > 0)
}

async function* once<T>(value: T): AsyncIterable<T> {
  yield value
}
