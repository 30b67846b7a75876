// What every store of API keys must do. Each adapter runs it on stores that begin empty, and know bob and carol.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import type { ApiKeys, NewApiKey } from '../../src/core/api-keys.ts'
import { ConstraintError, InvalidInputError, RowNotFoundError, TenantNotFoundError } from '../../src/errors.ts'
import { bob, carol, nobodysId } from '../support/door-cast.ts'

let count = 0

/** A new key for bob. */
function fresh(more: Partial<NewApiKey> = {}): NewApiKey {
  count += 1
  const secretHash = createHash('sha256').update(String(count)).digest()
  return {
    prefix: `key${String(count).padStart(9, '0')}`,
    secretHash,
    tenantId: bob.id,
    name: 'ci',
    scopes: ['documents:read'],
    expiresAt: undefined,
    ...more,
  }
}

export function apiKeysConformance(adapter: string, make: (t: TestContext) => Promise<ApiKeys>): void {
  test(`${adapter}: a key is found by its prefix with all that was given, and not by another`, async (t) => {
    const keys = await make(t)
    const given = fresh({ expiresAt: new Date(Date.UTC(2126, 0, 1)) })
    const created = await keys.create(given)
    const found = await keys.find(given.prefix)
    assert.ok(found)
    const { secretHash, ...shown } = found
    assert.deepEqual(shown, created)
    assert.deepEqual(Buffer.from(secretHash), Buffer.from(given.secretHash))
    assert.deepEqual([shown.tenantId, shown.name, shown.scopes, shown.expiresAt], [bob.id, 'ci', ['documents:read'], given.expiresAt])
    assert.deepEqual([shown.revokedAt, shown.lastUsedAt, shown.replacedBy], [undefined, undefined, undefined])
    assert.ok(!('secretHash' in created))
    for (const other of ['', 'nosuchkey000', `${given.prefix} `, given.prefix.toUpperCase(), '%', "' or true --"])
      assert.equal(await keys.find(other), undefined)
  })

  test(`${adapter}: a malformed key, a taken prefix, an unknown tenant are refused`, async (t) => {
    const keys = await make(t)
    const given = fresh()
    await keys.create(given)
    await assert.rejects(keys.create({ ...fresh(), prefix: given.prefix }), ConstraintError)
    await assert.rejects(keys.create(fresh({ tenantId: nobodysId })), TenantNotFoundError)
    const bad: Partial<NewApiKey>[] = [
      { prefix: 'short' },
      { prefix: 'with_underscore'.slice(0, 12) },
      { secretHash: new Uint8Array(31) },
      { name: ' ' },
      { name: 'x'.repeat(201) },
      { scopes: ['Documents:Read'] },
      { scopes: Array(51).fill('a') },
      { expiresAt: new Date(Number.NaN) },
    ]
    for (const more of bad) await assert.rejects(keys.create(fresh(more)), InvalidInputError)
  })

  test(`${adapter}: a revoked key says so; revoking again changes nothing`, async (t) => {
    const keys = await make(t)
    const { prefix } = await keys.create(fresh())
    await keys.revoke(bob.id, prefix)
    const first = (await keys.find(prefix))?.revokedAt
    assert.ok(first)
    await keys.revoke(bob.id, prefix)
    assert.deepEqual((await keys.find(prefix))?.revokedAt, first)
  })

  test(`${adapter}: rotation makes a successor and leaves the old key its grace, once`, async (t) => {
    const keys = await make(t)
    const { prefix } = await keys.create(fresh())
    const next = fresh()
    const successor = await keys.rotate(bob.id, prefix, {
      prefix: next.prefix,
      secretHash: next.secretHash,
      expiresAt: undefined,
      graceSec: 3_600,
    })
    assert.deepEqual(
      [successor.prefix, successor.name, successor.scopes, successor.tenantId],
      [next.prefix, 'ci', ['documents:read'], bob.id],
    )
    const old = await keys.find(prefix)
    assert.equal(old?.replacedBy, next.prefix)
    const graceMs = (old?.expiresAt?.getTime() ?? 0) - successor.createdAt.getTime()
    assert.ok(Math.abs(graceMs - 3_600_000) < 5_000, `${graceMs}`)
    const again = fresh()
    await assert.rejects(keys.rotate(bob.id, prefix, { ...again, graceSec: 0 }), RowNotFoundError)
    await keys.revoke(bob.id, next.prefix)
    await assert.rejects(keys.rotate(bob.id, next.prefix, { ...again, graceSec: 0 }), RowNotFoundError)
    for (const graceSec of [-1, 0.5, Number.NaN, 31 * 86_400])
      await assert.rejects(keys.rotate(bob.id, prefix, { ...again, graceSec }), InvalidInputError)
    assert.equal(await keys.find(again.prefix), undefined)
  })

  test(`${adapter}: grace never lengthens a life`, async (t) => {
    const keys = await make(t)
    const expiresAt = new Date(Date.UTC(2126, 0, 1))
    const { prefix } = await keys.create(fresh({ expiresAt }))
    await keys.rotate(bob.id, prefix, { ...fresh(), graceSec: 60 })
    assert.ok(((await keys.find(prefix))?.expiresAt ?? expiresAt) < expiresAt)
  })

  test(`${adapter}: another tenant's key is neither listed, rotated nor revoked`, async (t) => {
    const keys = await make(t)
    const bobs = await keys.create(fresh())
    const carols = await keys.create(fresh({ tenantId: carol.id }))
    await assert.rejects(keys.revoke(carol.id, bobs.prefix), RowNotFoundError)
    await assert.rejects(keys.rotate(carol.id, bobs.prefix, { ...fresh(), graceSec: 0 }), RowNotFoundError)
    const unchanged = await keys.find(bobs.prefix)
    assert.deepEqual([unchanged?.revokedAt, unchanged?.replacedBy], [undefined, undefined])
    assert.deepEqual(
      (await keys.list(carol.id)).map((key) => key.prefix),
      [carols.prefix],
    )
    assert.ok((await keys.list(bob.id, { limit: 1_000 })).every((key) => key.tenantId === bob.id && !('secretHash' in key)))
  })

  test(`${adapter}: keys are listed by prefix, page by page`, async (t) => {
    const keys = await make(t)
    for (let made = 0; made < 8; made++) await keys.create(fresh())
    const all = (await keys.list(bob.id, { limit: 1_000 })).map((key) => key.prefix)
    assert.equal(all.length, 8)
    assert.deepEqual(all, [...all].sort())
    const paged: string[] = []
    for (;;) {
      const page = await keys.list(bob.id, { limit: 3, after: paged.at(-1) })
      if (page.length === 0) break
      paged.push(...page.map((key) => key.prefix))
    }
    assert.deepEqual(paged, all)
    for (const limit of [0, 1_001, 1.5, Number.NaN]) await assert.rejects(keys.list(bob.id, { limit }), InvalidInputError)
  })

  test(`${adapter}: use is remembered once a minute, and unknown keys are ignored`, async (t) => {
    const keys = await make(t)
    const { prefix } = await keys.create(fresh())
    await keys.touch(prefix)
    const first = (await keys.find(prefix))?.lastUsedAt
    assert.ok(first)
    await keys.touch(prefix)
    assert.deepEqual((await keys.find(prefix))?.lastUsedAt, first)
    await keys.touch('nosuchkey000')
  })
}
