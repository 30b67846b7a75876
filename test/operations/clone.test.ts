// Clones in memory: what is asked of the copier and when, and what a kill at any moment leaves.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PlacedTenant } from '../../src/core/placement-adapter.ts'
import { parseTenantSlug, type TenantId } from '../../src/core/tenant.ts'
import { ConfigurationError, InvalidInputError, OperationFailedError, TenantNotFoundError } from '../../src/errors.ts'
import { Operations } from '../../src/operations/operations.ts'
import type { CopyWish, TenantCopier } from '../../src/operations/tenant-copier.ts'
import { type Death, Mortal } from './mortal.ts'
import { memoryStage } from './stage.ts'

/** Puts three rows into the place of the clone; a place that has some already refuses, as a primary key does. */
function copying() {
  const asked: string[] = []
  const copier: TenantCopier = {
    masks: {},
    check: async (source: PlacedTenant, _target: unknown, { mask }: CopyWish) => {
      asked.push(`check ${source.id} ${JSON.stringify(mask)}`)
      if (mask['people.ghost'] !== undefined) throw new InvalidInputError('There is no such column.')
    },
    copy: async (_source, target, _wish, { onProgress }) => {
      const before = await stage.pooled.remains(target)
      assert.deepEqual(
        before.filter(({ kind }) => kind === 'rows' && kind.length > 0).filter(({ count }) => count > 0),
        [],
      )
      stage.pooled.fill(target.id, 'people', 3)
      onProgress?.('people: 3 rows')
      return { takenAt: '2026-01-01T00:00:00.000Z', tables: [{ table: 'people', rows: 3 }] }
    },
  }
  const stage = memoryStage({ copier })
  return { ...stage, asked, copier }
}

const find = async ({ catalog }: ReturnType<typeof memoryStage>, slug: string) =>
  await catalog.find({ kind: 'slug', slug: parseTenantSlug(slug) })

test('a clone is judged before anything is made, and a dry run makes nothing', async () => {
  const stage = copying()
  await stage.operations.onboard({ slug: 'acme', name: 'Acme' })
  const mask = { 'people.email': 'email' } as const
  const { plan } = await stage.operations.clone('acme', { slug: 'copy', mask }, { dryRun: true })
  assert.deepEqual(
    plan.map(({ name }) => name),
    ['place', 'reserve', 'provision', 'copy-rows', 'open-gate', 'activate'],
  )
  await assert.rejects(stage.operations.clone('acme', { slug: 'copy', mask: { 'people.ghost': 'hash' } }), InvalidInputError)
  await assert.rejects(stage.operations.clone('stranger', { slug: 'copy', mask }), TenantNotFoundError)
  assert.equal(stage.asked.length, 2)
  assert.equal(await find(stage, 'copy'), undefined)
})

test('an installation that copies no rows makes no clones', async () => {
  const stage = memoryStage()
  await stage.operations.onboard({ slug: 'acme', name: 'Acme' })
  await assert.rejects(stage.operations.clone('acme', { slug: 'copy' }), ConfigurationError)
})

test('a copy that breaks takes everything back; when that breaks too, the operation stays for a person', async () => {
  const stage = copying()
  await stage.operations.onboard({ slug: 'acme', name: 'Acme' })
  const copier = { ...stage.copier, copy: () => Promise.reject(new Error('The cable was cut.')) }
  const broken = new Operations({ ...stage.options, copier })
  await assert.rejects(
    broken.clone('acme', { slug: 'copy' }),
    (error: Error) => error instanceof OperationFailedError && /taken back: .*cable/.test(error.message),
  )
  assert.equal(await find(stage, 'copy'), undefined)
  const stuck = new Operations({
    ...stage.options,
    copier,
    catalog: new Proxy(stage.catalog, {
      get: (target, name) => {
        if (name === 'discard') return () => Promise.reject(new Error('The catalog is away.'))
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    }),
  })
  await assert.rejects(
    stuck.clone('acme', { slug: 'copy' }),
    (error: Error) => error instanceof OperationFailedError && /Retry it, or cancel it/.test(error.message),
  )
  const left = await find(stage, 'copy')
  const [open] = await stage.operations.list({ tenantId: left!.id })
  assert.equal((await stage.operations.cancel(open!.id, { reason: 'The catalog is back.' })).state, 'cancelled')
  assert.equal(await find(stage, 'copy'), undefined)
})

test('killed at any call, a clone that is gone on with has the rows once', async () => {
  let deaths = 0
  for (const isMade of [false, true]) {
    for (let call = 0; ; call++) {
      const stage = copying()
      await stage.operations.onboard({ slug: 'acme', name: 'Acme' })
      const mortal = new Mortal({ call, isMade } satisfies Death)
      const { options } = stage
      const killed = new Operations({
        ...options,
        catalog: mortal.port(options.catalog),
        journal: mortal.port(options.journal),
        placements: (isolation) => mortal.port(options.placements(isolation)),
        copier: mortal.port(stage.copier),
      })
      await killed.clone('acme', { slug: 'copy', mask: { 'people.email': 'email' } }).catch(() => {})
      if (!mortal.isDead) break
      deaths += 1
      stage.clock.advance(60_000)
      for (const { error } of await stage.operations.resumeAll()) assert.equal(error, undefined)
      const clone = await find(stage, 'copy')
      // It had not begun, or it is whole.
      if (clone === undefined) continue
      assert.equal(clone.status, 'active', `call ${call}`)
      assert.deepEqual(await rowsOf(stage, clone.id), [3])
    }
  }
  assert.ok(deaths > 20)
})

async function rowsOf({ pooled, catalog }: ReturnType<typeof memoryStage>, id: TenantId): Promise<readonly number[]> {
  const tenant = (await catalog.find({ kind: 'id', id }))!
  const { tables } = await pooled.describe({ id, region: tenant.region, keys: tenant.keys, placement: tenant.placement })
  return tables.map(({ rows }) => rows)
}
