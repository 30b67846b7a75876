// Backups of real tenants, in all four placements.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { backupSecretName } from '../../src/backup/backup-key.ts'
import type { Backup } from '../../src/backup/backup-listing.ts'
import { readText } from '../../src/backup/backup-listing.ts'
import { parseTenantRef } from '../../src/core/tenant.ts'
import {
  AbortedError,
  BackupInvalidError,
  BackupNotFoundError,
  InvalidInputError,
  ObjectStoreError,
  OperationFailedError,
  TenantExistsError,
  TenantNotFoundError,
} from '../../src/errors.ts'
import type { Fleet } from '../../src/fleet.ts'
import { memoryStore } from '../../src/objects/memory-store.ts'
import type { ObjectStore } from '../../src/objects/object-store.ts'
import { bytesOf, inPieces } from '../objects/object-store-conformance.ts'
import { type BackupFleet, backupFleet, castOfBackups, hostileBodies, keyedTable } from '../support/backups.ts'

const rowsPerFill = 2 + hostileBodies.length + 1

describe('backups', () => {
  let stage: BackupFleet
  let fleet: Fleet
  const made = new Map<string, Backup>()

  before(async () => {
    stage = await backupFleet()
    fleet = stage.fleet
    for (const { slug, plan } of castOfBackups) {
      await fleet.tenants.onboard({ slug, name: `${slug} Ltd.`, plan, settings: { colour: slug }, features: { sso: true } })
      await stage.fill(slug, slug)
    }
    // Neighbours in the same tables, whose rows must be in no backup of anybody else's.
    await fleet.tenants.onboard({ slug: 'hooli', name: 'Hooli', plan: 'free' })
    await stage.fill('hooli', 'hooli')
  })

  after(async () => await stage?.strike())

  for (const { slug, isolation } of castOfBackups) {
    test(`of a tenant in the placement ${isolation}: made, listed, and found to be good`, async () => {
      const backup = await fleet.backups.create(slug)
      made.set(slug, backup)
      assert.deepEqual([backup.tables, backup.rows, backup.isWhole, backup.kind, backup.version], [3, rowsPerFill, true, 'manual', '0001'])
      assert.deepEqual((await fleet.backups.list(slug)).backups, [backup])
      const found = await fleet.backups.verify(backup.id)
      assert.deepEqual(found, { id: backup.id, isGood: true, isQuick: false, tables: 3, rows: rowsPerFill, problems: [] })
      assert.equal((await fleet.backups.get(`${slug}/latest`)).verified?.isGood, true)
    })

    test(`of a tenant in the placement ${isolation}: restored beside it, with the same rows, and nobody else’s`, async () => {
      const isOwn = isolation === 'server'
      const as = `${slug}-again`
      // One server is there for one tenant alone: the copy is beside it in a database.
      const { operation } = await fleet.backups.restore(made.get(slug)!.id, { as, ...(isOwn && { isolation: 'database' }) })
      assert.equal(operation?.state, 'done')
      const [live, restored] = [await stage.tenancy.tenants.get(slug), await stage.tenancy.tenants.get(as)]
      assert.equal(restored.placement.isolation, isOwn ? 'database' : isolation)
      assert.notEqual(restored.id, live.id)
      assert.deepEqual([restored.name, restored.plan, restored.settings], [live.name, live.plan, live.settings])
      assert.deepEqual(await stage.rowsOf(as), await stage.rowsOf(slug))
      assert.equal((await stage.rowsOf(as)).length, rowsPerFill)
      // It is a tenant like any other: what it writes is its own.
      await stage.fill(as, 'more')
      assert.equal((await stage.rowsOf(as)).length, 2 * rowsPerFill)
      assert.equal((await stage.rowsOf(slug)).length, rowsPerFill)
      assert.equal((await stage.rowsOf('hooli')).length, rowsPerFill)
    })
  }

  test('goes from any placement to any other', async () => {
    await fleet.backups.restore('acme/latest', { as: 'acme-alone', isolation: 'database' })
    assert.deepEqual(await stage.rowsOf('acme-alone'), await stage.rowsOf('acme'))
    await fleet.backups.restore('initech/latest', { as: 'initech-shared', isolation: 'pooled' })
    assert.deepEqual(await stage.rowsOf('initech-shared'), await stage.rowsOf('initech'))
  })

  test('keep the moment at which they were made', async () => {
    await fleet.tenants.onboard({ slug: 'moment', name: 'Moment', plan: 'free' })
    await stage.fill('moment', 'before')
    const rows = await stage.rowsOf('moment')
    const { id } = await fleet.backups.create('moment')
    await stage.tenancy.run('moment', async () => void (await stage.tenancy.query('delete from notes')))
    await fleet.backups.restore(id, { as: 'moment-before' })
    assert.deepEqual(await stage.rowsOf('moment-before'), rows)
  })

  test('of a tenant with no rows are backups too', async () => {
    await fleet.tenants.onboard({ slug: 'empty', name: 'Empty', plan: 'free' })
    const { id, rows } = await fleet.backups.create('empty')
    assert.equal(rows, 0)
    assert.equal((await fleet.backups.verify(id)).isGood, true)
    await fleet.backups.restore(id, { as: 'empty-again' })
    assert.deepEqual(await stage.rowsOf('empty-again'), [])
  })

  test('a slug that is taken, a tenant or a backup that is not there, are told before anything is made', async () => {
    await assert.rejects(fleet.backups.restore('acme/latest', { as: 'hooli' }), TenantExistsError)
    await assert.rejects(fleet.backups.create('strangers'), TenantNotFoundError)
    await assert.rejects(fleet.backups.restore('acme/0190', { as: 'other' }), BackupNotFoundError)
    await assert.rejects(fleet.backups.get('latest'), BackupNotFoundError)
  })

  test('leave no login, no throw-away tenant and no secret of a transfer behind', async () => {
    // Other tests transfer rows on this server, in databases of their own.
    const logins = await stage.catalog.superuser.query(
      `select r.rolname from pg_catalog.pg_roles as r
        where starts_with(r.rolname, 'pw_tr_') and has_database_privilege(r.oid, current_database(), 'connect')`,
    )
    assert.deepEqual(logins, [])
    assert.deepEqual((await fleet.catalog.list({ status: 'onboarding' })).tenants, [])
    assert.deepEqual(await stage.secrets.list('transfer/'), [])
  })

  test('are in the audit trail', () => {
    const actions = new Set(stage.auditTrail.events().map(({ action }) => action))
    assert.ok(actions.has('backup.created') && actions.has('backup.verified'))
  })

  describe('that somebody has been at:', () => {
    let backup: Backup
    let objects: readonly string[]

    before(async () => {
      backup = await fleet.backups.create('acme')
      objects = (await stage.store.list(`${backup.tenantId}/${backup.id}/`)).map(({ key }) => key).filter((key) => key.endsWith('.rows'))
    })

    async function whenChanged(change: (store: ObjectStore) => Promise<void>): Promise<void> {
      const kept = await Promise.all(
        [...objects, `${backup.tenantId}/${backup.id}/manifest.json`].map(async (key) => ({
          key,
          content: (await bytesOf(await stage.store.get(key)))!,
        })),
      )
      await change(stage.store)
      try {
        const quick = await fleet.backups.verify(`acme/${backup.id}`, { quick: true })
        assert.equal(quick.isGood, false)
        const slow = await fleet.backups.verify(`acme/${backup.id}`)
        assert.equal(slow.isGood, false)
        await assert.rejects(fleet.backups.restore(`acme/${backup.id}`, { as: 'tampered' }))
        await assert.rejects(stage.tenancy.tenants.get('tampered'), TenantNotFoundError)
      } finally {
        for (const { operation } of [{ operation: (await fleet.tenants.list({ state: 'failed' }))[0] }]) {
          if (operation !== undefined) await fleet.tenants.cancel(operation.id, { reason: 'The backup cannot be used.' })
        }
        for (const { key, content } of kept) await stage.store.put(key, inPieces(content))
      }
      assert.equal((await fleet.backups.verify(`acme/${backup.id}`, { quick: true })).isGood, true)
    }

    test('a byte of an object is another', async () => {
      await whenChanged(async (store) => {
        const content = (await bytesOf(await store.get(objects[1]!)))!
        content[content.length - 30]! ^= 1
        await store.put(objects[1]!, inPieces(content))
      })
    })

    test('an object is cut off', async () => {
      await whenChanged(async (store) => {
        const content = (await bytesOf(await store.get(objects[1]!)))!
        await store.put(objects[1]!, inPieces(content.subarray(0, -1)))
      })
    })

    test('two objects have changed places', async () => {
      await whenChanged(async (store) => {
        const [one, two] = [(await bytesOf(await store.get(objects[0]!)))!, (await bytesOf(await store.get(objects[1]!)))!]
        await store.put(objects[0]!, inPieces(two))
        await store.put(objects[1]!, inPieces(one))
      })
    })

    test('an object is that of an older backup of the same tenant', async () => {
      await whenChanged(async (store) => {
        const older = objects[1]!.replace(backup.id, made.get('acme')!.id)
        await store.put(objects[1]!, inPieces((await bytesOf(await store.get(older)))!))
      })
    })

    test('an object is another tenant’s', async () => {
      const other = made.get('globex')!
      await whenChanged(async (store) => {
        const theirs = objects[1]!.replace(backup.id, other.id).replace(backup.tenantId, other.tenantId)
        await store.put(objects[1]!, inPieces((await bytesOf(await store.get(theirs)))!))
      })
    })

    test('the whole backup is another tenant’s', async () => {
      const other = made.get('globex')!
      await whenChanged(async (store) => {
        const [here, there] = [`${backup.tenantId}/${backup.id}`, `${other.tenantId}/${other.id}`]
        const theirs = (await store.list(`${there}/`)).filter(({ key }) => !key.endsWith('verified.json'))
        for (const { key } of theirs) await store.put(key.replace(there, here), inPieces((await bytesOf(await store.get(key)))!))
        const forged = (await readText(store, `${here}/manifest.json`))!
          .replaceAll(other.tenantId, backup.tenantId)
          .replaceAll(other.id, backup.id)
        await store.put(`${here}/manifest.json`, inPieces(Buffer.from(forged)))
      })
    })

    test('the manifest says another number of rows', async () => {
      await whenChanged(async (store) => {
        const key = `${backup.tenantId}/${backup.id}/manifest.json`
        const forged = (await readText(store, key))!.replace(/"rows": \d+/, '"rows": 1')
        await store.put(key, inPieces(Buffer.from(forged)))
      })
    })

    test('the tenant’s key is another one', async () => {
      const name = backupSecretName(backup.tenantId)
      const key = (await stage.secrets.get(name))!
      await stage.secrets.put(name, Buffer.alloc(32, 7).toString('base64url'))
      await assert.rejects(fleet.backups.restore(`acme/${backup.id}`, { as: 'tampered' }), BackupInvalidError)
      assert.equal((await fleet.backups.verify(`acme/${backup.id}`)).isGood, false)
      await stage.secrets.delete(name)
      await assert.rejects(fleet.backups.restore(`acme/${backup.id}`, { as: 'tampered' }), /was off-boarded, or the secret/)
      await stage.secrets.put(name, key)
    })
  })

  test('that are cancelled, or whose store fails, in the middle leave nothing that is listed', async () => {
    const stopper = new AbortController()
    const onProgress = () => stopper.abort()
    const before = await fleet.backups.list('acme')
    await assert.rejects(fleet.backups.create('acme', { signal: stopper.signal, onProgress }), AbortedError)
    assert.deepEqual(await fleet.backups.list('acme'), before)
  })

  test('whose process is killed before the manifest is written are none, and are pruned when they are old', async () => {
    const store = memoryStore()
    const mortal: ObjectStore = {
      kind: 'mortal',
      head: (key) => store.head(key),
      get: (key) => store.get(key),
      list: (prefix) => store.list(prefix),
      // Nothing is cleaned up by whoever is dead.
      delete: async () => {},
      put: async (key, body, options) => {
        if (key.endsWith('manifest.json')) throw new AbortedError('Killed.')
        return await store.put(key, body, options)
      },
    }
    const doomed = await stage.reopened({ store: mortal })
    await assert.rejects(doomed.backups.create('acme'), AbortedError)
    await doomed.close()
    const survivor = await stage.reopened({ store })
    const { backups, unfinished } = await survivor.backups.list('acme')
    assert.deepEqual([backups.length, unfinished.length, unfinished[0]?.keys.length], [0, 1, 3])
    assert.deepEqual((await survivor.backups.prune({ rule: {} })).unfinished, [])
    await survivor.close()
    const later = await stage.reopened({ store, clock: { now: () => Date.now() + 3 * 86_400_000, monotonic: () => performance.now() } })
    assert.equal((await later.backups.prune({ rule: {} })).unfinished.length, 1)
    assert.deepEqual(await store.list(''), [])
    await later.close()
  })

  test('are restored to their end when the store breaks off in the middle, with every row once', async () => {
    let reads = 0
    const brittle: ObjectStore = {
      kind: 'brittle',
      put: (key, body, options) => stage.store.put(key, body, options),
      head: (key) => stage.store.head(key),
      list: (prefix) => stage.store.list(prefix),
      delete: (key) => stage.store.delete(key),
      get: async (key, options) => {
        if (key.endsWith('.rows') && ++reads === 2) throw new ObjectStoreError('The network is gone.')
        return await stage.store.get(key, options)
      },
    }
    const own = await stage.reopened({ store: brittle })
    const { id } = made.get('hooli') ?? (await fleet.backups.create('hooli'))
    await assert.rejects(own.backups.restore(`hooli/${id}`, { as: 'hooli-again' }), OperationFailedError)
    assert.equal((await fleet.catalog.find(parseTenantRef('hooli-again')))?.status, 'onboarding')
    const [failed] = await own.tenants.list({ state: 'failed' })
    assert.equal((await own.tenants.retry(failed!.id)).operation?.state, 'done')
    await own.close()
    assert.deepEqual(await stage.rowsOf('hooli-again'), await stage.rowsOf('hooli'))
  })

  test('that were made for one occasion go after 30 days, but never the only good one', async () => {
    const store = memoryStore()
    const own = await stage.reopened({ store })
    const [older, newer] = [await own.backups.create('acme', { kind: 'safety' }), await own.backups.create('acme', { kind: 'safety' })]
    const ids = async (fleetThen: Fleet) => (await fleetThen.backups.list('acme')).backups.map(({ id }) => id)
    assert.deepEqual((await own.backups.prune({ rule: { last: 0 } })).deleted, [])
    await own.close()
    const later = await stage.reopened({ store, clock: { now: () => Date.now() + 31 * 86_400_000, monotonic: () => performance.now() } })
    assert.deepEqual(
      (await later.backups.prune({ rule: { last: 0 } })).deleted.map(({ id }) => id),
      [older.id],
    )
    assert.deepEqual(await ids(later), [newer.id])
    await later.close()
  })

  test('are made when they are due, and pruned by the rule', async () => {
    const store = memoryStore()
    let now = Date.parse('2026-03-01T12:00:00Z')
    const own = await stage.reopened({ store, clock: { now: () => now, monotonic: () => performance.now() } })
    const schedule = [{ plans: ['free'], every: '1d' }]
    const slugs = async () => (await own.backups.runDue({ schedule, retention: { last: 2 } })).map(({ slug }) => slug)
    const first = await slugs()
    assert.ok(first.includes('acme') && first.includes('hooli') && !first.includes('globex'))
    assert.deepEqual(await slugs(), [])
    for (let day = 1; day <= 3; day++) {
      now += 86_400_000
      assert.deepEqual((await slugs()).sort(), [...first].sort())
    }
    assert.equal((await own.backups.list('acme')).backups.length, 2)
    await own.close()
  })

  test('go when the tenant is off-boarded, and cannot be read any more from a copy of the store', async () => {
    await fleet.tenants.onboard({ slug: 'leaver', name: 'Leaver', plan: 'free' })
    await stage.fill('leaver', 'leaver')
    const backup = await fleet.backups.create('leaver')
    const copies: [string, Buffer][] = []
    for (const { key } of await stage.store.list(`${backup.tenantId}/`)) copies.push([key, (await bytesOf(await stage.store.get(key)))!])
    const { operation } = await fleet.tenants.offboard('leaver', { reason: 'The contract ended.', now: true })
    assert.equal(operation?.state, 'done')
    assert.deepEqual(await stage.store.list(`${backup.tenantId}/`), [])
    for (const [key, content] of copies) await stage.store.put(key, inPieces(content))
    await assert.rejects(fleet.backups.restore(`${backup.tenantId}/${backup.id}`, { as: 'returner' }), BackupInvalidError)
    for (const [key] of copies) await stage.store.delete(key)
  })

  test('are deleted by name', async () => {
    const { id } = await fleet.backups.create('hooli')
    await fleet.backups.delete(id)
    await assert.rejects(fleet.backups.get(`hooli/${id}`), BackupNotFoundError)
  })
})

test('backups of a tenant that tables know by a key of its own: the restored one needs another, and its rows have that', async (t) => {
  const stage = await backupFleet({ withServer: false, more: keyedTable })
  t.after(() => stage.strike())
  const { fleet } = stage
  await fleet.tenants.onboard({ slug: 'old-one', name: 'Old', plan: 'free', keys: { bigint: '42' } })
  await stage.tenancy.run('old-one', async () => void (await stage.tenancy.query('insert into ledger (account, amount) values (42, 1.50)')))
  const { id, tables, rows } = await fleet.backups.create('old-one')
  assert.deepEqual([tables, rows], [4, 1])
  assert.equal((await fleet.backups.verify(id)).isGood, true)
  await assert.rejects(fleet.backups.restore(id, { as: 'old-again' }), InvalidInputError)
  await assert.rejects(fleet.backups.restore(id, { as: 'old-again', keys: { bigint: '42' } }), InvalidInputError)
  await fleet.backups.restore(id, { as: 'old-again', keys: { bigint: '-43' } })
  const ledger = async (slug: string) =>
    await stage.tenancy.run(slug, async () => (await stage.tenancy.query('select account, amount from ledger')).rows)
  assert.deepEqual(await ledger('old-again'), [{ account: '-43', amount: '1.50' }])
  assert.deepEqual(await ledger('old-one'), [{ account: '42', amount: '1.50' }])
})
