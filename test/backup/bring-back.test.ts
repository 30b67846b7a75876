// What was lost is found by comparing, and brought back: some rows (merge), or all of them (swap).

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Backup } from '../../src/backup/backup-listing.ts'
import { ConstraintError, InvalidInputError, TenantNotFoundError } from '../../src/errors.ts'
import type { Fleet } from '../../src/fleet.ts'
import type { Replaced } from '../../src/operations/tenant-filler.ts'
import { type BackupFleet, backupFleet, castOfBackups, hostileBodies } from '../support/backups.ts'

const reason = 'An import went wrong.'

describe('what a tenant has lost', () => {
  let stage: BackupFleet
  let fleet: Fleet

  before(async () => {
    stage = await backupFleet()
    fleet = stage.fleet
    await fleet.tenants.onboard({ slug: 'hooli', name: 'Hooli', plan: 'free' })
    await stage.fill('hooli', 'hooli')
  })

  after(async () => await stage?.strike())

  const query = async (slug: string, text: string, values: readonly unknown[] = []) =>
    await stage.tenancy.run(slug, async () => (await stage.tenancy.query<Record<string, string>>(text, [...values])).rows)
  const difference = async (slug: string, other: string) =>
    Object.fromEntries(
      (await fleet.backups.diff(slug, other)).map(({ table, onlyLeft, onlyRight, changed }) => [
        table,
        [onlyLeft.count, onlyRight.count, changed.count],
      ]),
    )

  for (const { slug, plan, isolation } of castOfBackups) {
    describe(`in the placement ${isolation}`, () => {
      let backup: Backup
      let rows: readonly object[]

      before(async () => {
        await fleet.tenants.onboard({ slug, name: slug, plan })
        await stage.fill(slug, slug)
        rows = await stage.rowsOf(slug)
        backup = await fleet.backups.create(slug)
      })

      test('is nothing while nothing has changed', async () => {
        assert.deepEqual(await difference(slug, `${slug}/${backup.id}`), { folders: [0, 0, 0], notes: [0, 0, 0], 'odd "Table"': [0, 0, 0] })
      })

      test('is told by table and key: what is gone, what has changed, what is new', async () => {
        const [gone] = await query(slug, `delete from notes where body = 'plain' returning id`)
        const [changed] = await query(slug, `update notes set price = 99 where body = '\\N' returning id`)
        const [added] = await query(
          slug,
          `insert into notes (tenant_id, folder_id, body) select $1, id, 'new' from folders limit 1 returning id`,
          [(await stage.tenancy.tenants.get(slug)).id],
        )
        const found = (await fleet.backups.diff(slug, `${slug}/${backup.id}`)).find(({ table }) => table === 'notes')!
        assert.deepEqual(found.key, ['id'])
        assert.deepEqual(found.rows, { left: hostileBodies.length, right: hostileBodies.length })
        assert.deepEqual(found.onlyRight, { count: 1, keys: [[gone!['id']]] })
        assert.deepEqual(found.changed, { count: 1, keys: [[changed!['id']]] })
        assert.deepEqual(found.onlyLeft, { count: 1, keys: [[added!['id']]] })
      })

      test('comes back by a merge: a dry run counts it and changes nothing, then what is missing is there and what has changed stays', async () => {
        const source = `${slug}/${backup.id}`
        const dry = await fleet.backups.merge(slug, source, { dryRun: true })
        assert.deepEqual(
          dry.map(({ table, inserted, updated }) => [table, inserted, updated]),
          [
            ['folders', 0, 0],
            ['notes', 1, 0],
            ['odd "Table"', 0, 0],
          ],
        )
        assert.deepEqual((await difference(slug, source))['notes'], [1, 1, 1])
        await fleet.backups.merge(slug, source, { tables: ['notes'] })
        assert.deepEqual((await difference(slug, source))['notes'], [1, 0, 1])
      })

      test('is overwritten where asked, row by row', async () => {
        const source = `${slug}/${backup.id}`
        const { changed } = (await fleet.backups.diff(slug, source)).find(({ table }) => table === 'notes')!
        const other = [[crypto.randomUUID()]]
        assert.deepEqual(await fleet.backups.merge(slug, source, { keys: { notes: other }, overwrite: true }), [
          { table: 'notes', inserted: 0, updated: 0, deleted: 0 },
        ])
        const [written] = await fleet.backups.merge(slug, source, { keys: { notes: changed.keys }, overwrite: true })
        assert.deepEqual([written?.inserted, written?.updated], [0, 1])
        assert.deepEqual((await difference(slug, source))['notes'], [1, 0, 0])
      })

      test('comes back whole by a swap, and a swap with the backup that was made of it is the way back', async () => {
        const { epoch } = await stage.tenancy.tenants.get(slug)
        await query(slug, 'delete from folders')
        await query(slug, `insert into folders (tenant_id, name) values ($1, 'only this')`, [(await stage.tenancy.tenants.get(slug)).id])
        const before = await stage.rowsOf(slug)
        const { operation } = await fleet.backups.swap(slug, `${slug}/${backup.id}`, { reason })
        assert.equal(operation?.state, 'done')
        assert.deepEqual(await stage.rowsOf(slug), rows)
        assert.equal((await fleet.backups.list(slug)).backups[0]?.kind, 'safety')
        const { safety } = operation!.steps['replace']!.output as unknown as Replaced
        await fleet.backups.swap(slug, safety, { reason })
        assert.deepEqual(await stage.rowsOf(slug), before)
        assert.ok((await fleet.catalog.find({ kind: 'id', id: backup.tenantId }))!.epoch > epoch)
        // It writes as before.
        await stage.fill(slug, 'afterwards')
      })

      test('is nobody else’s: the neighbour has all of its rows, and no more', async () => {
        assert.equal((await stage.rowsOf('hooli')).length, 2 + hostileBodies.length + 1)
      })
    })
  }

  test('is found in a tenant that was restored beside it, too', async () => {
    await fleet.backups.restore('acme/latest', { as: 'acme-then', isolation: 'schema' })
    await query('acme-then', 'delete from "odd ""Table"""')
    const found = (await difference('acme', 'acme-then'))['odd "Table"']!
    assert.ok(found[0]! > 0 && found[1] === 0)
    await fleet.backups.merge('acme-then', 'acme')
    assert.deepEqual((await difference('acme', 'acme-then'))['odd "Table"'], [0, 0, 0])
    await query('acme-then', 'delete from notes')
    await fleet.backups.swap('acme', 'acme-then', { reason })
    assert.deepEqual(await query('acme', 'select * from notes'), [])
    assert.deepEqual(await stage.rowsOf('acme'), await stage.rowsOf('acme-then'))
  })

  test('does not come back in part: a row whose parent is missing refuses the whole merge', async () => {
    const backup = await fleet.backups.create('hooli')
    const rows = await stage.rowsOf('hooli')
    await query('hooli', 'delete from folders')
    await assert.rejects(fleet.backups.merge('hooli', backup.id, { tables: ['notes'] }), ConstraintError)
    assert.deepEqual(await query('hooli', 'select * from notes'), [])
    await fleet.backups.merge('hooli', backup.id)
    assert.deepEqual(await stage.rowsOf('hooli'), rows)
  })

  test('is written while others write: those wait for a swap, and their rows are in the backup that it made', async () => {
    const source = await fleet.backups.create('hooli')
    const { id } = await stage.tenancy.tenants.get('hooli')
    let written = 0
    const stopper = new AbortController()
    const writer = (async () => {
      while (!stopper.signal.aborted) {
        await query('hooli', `insert into folders (tenant_id, name) values ($1, $2)`, [id, `written ${written}`])
        written += 1
      }
    })()
    const { operation } = await fleet.backups.swap('hooli', source.id, { reason })
    stopper.abort()
    await writer
    const { safety } = operation!.steps['replace']!.output as unknown as Replaced
    const names = (await query('hooli', `select name from folders where name like 'written %'`)).map(({ name }) => name)
    await fleet.backups.restore(safety, { as: 'hooli-meanwhile' })
    const saved = (await query('hooli-meanwhile', `select name from folders where name like 'written %'`)).map(({ name }) => name)
    // Each acknowledged row is in one of the two, and in one alone.
    assert.equal(new Set([...names, ...saved]).size, written)
    assert.equal(names.length + saved.length, written)
    assert.ok(saved.length > 0)
  })

  test('is not to be had from what is not there', async () => {
    await assert.rejects(fleet.backups.diff('strangers', 'hooli'), TenantNotFoundError)
    await assert.rejects(fleet.backups.merge('hooli', 'hooli'), InvalidInputError)
    await assert.rejects(fleet.backups.swap('hooli', 'hooli', { reason }), InvalidInputError)
    await assert.rejects(fleet.backups.merge('hooli', 'hooli/latest', { tables: ['nothing'] }), InvalidInputError)
  })
})
