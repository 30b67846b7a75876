// What every catalog promises. Run by each adapter's test.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Catalog, NewTenant } from '../../src/core/catalog.ts'
import { type Json, parseTenantId, parseTenantSlug, type TenantId } from '../../src/core/tenant.ts'
import {
  InvalidInputError,
  InvalidTenantRefError,
  RegionMismatchError,
  StaleTenantError,
  TenantExistsError,
  TenantNotFoundError,
} from '../../src/errors.ts'

const slug = parseTenantSlug
const nobody = parseTenantId('00000000-0000-7000-8000-000000000000')

/** An array in arrays, `depth` deep. */
function nested(depth: number): Json {
  return depth === 0 ? [] : [nested(depth - 1)]
}

/** Waits for the next change that a listener is told of. */
async function changes(catalog: Catalog) {
  const heard: (readonly TenantId[] | undefined)[] = []
  let wake = () => {}
  const stop = await catalog.watch((ids) => {
    heard.push(ids)
    wake()
  })
  const until = async (wanted: (ids: readonly TenantId[] | undefined) => boolean) => {
    while (!heard.some(wanted)) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return { heard, until, stop }
}

export function catalogConformance(name: string, makeCatalog: (t: TestContext) => Promise<Catalog>): void {
  const promise = (sentence: string, fn: (catalog: Catalog) => Promise<void>) =>
    test(`${name}: ${sentence}`, async (t) => fn(await makeCatalog(t)))

  promise('a created tenant is found by id, slug and domain, active, at epoch 1, frozen', async (catalog) => {
    const made = await catalog.create({
      slug: slug('acme'),
      name: 'Acme Ltd.',
      plan: 'pro',
      features: { search: true },
      settings: { theme: { dark: false }, list: [1, 'two', null] },
      domains: ['docs.acme.example', 'acme.example'],
      encryptionKeyId: 'key-1',
    })
    assert.equal(made.status, 'active')
    assert.equal(made.epoch, 1)
    assert.deepEqual(made.placement, { isolation: 'pooled', server: 'main', database: 'main', schema: 'app' })
    assert.deepEqual(made.settings, { theme: { dark: false }, list: [1, 'two', null] })
    assert.deepEqual(made.domains, ['acme.example', 'docs.acme.example'])
    assert.ok(made.createdAt instanceof Date)
    assert.ok(
      Object.isFrozen(made) && Object.isFrozen(made.settings) && Object.isFrozen(made.settings['theme']) && Object.isFrozen(made.domains),
    )
    assert.deepEqual(await catalog.find({ kind: 'id', id: made.id }), made)
    assert.deepEqual(await catalog.find({ kind: 'slug', slug: made.slug }), made)
    assert.deepEqual(await catalog.find({ kind: 'domain', domain: 'docs.acme.example' }), made)
  })

  promise('a tenant needs no more than a slug and a name, and may bring its id', async (catalog) => {
    const id = parseTenantId('0190a0a0-0000-7000-8000-00000000000a')
    const made = await catalog.create({ id, slug: slug('bob'), name: 'Bob' })
    assert.equal(made.id, id)
    assert.deepEqual([made.plan, made.region, made.encryptionKeyId], ['free', 'default', undefined])
    assert.deepEqual([made.features, made.settings, made.domains], [{}, {}, []])
  })

  promise('who is not there is not found', async (catalog) => {
    await catalog.create({ slug: slug('bob'), name: 'Bob', domains: ['bob.example'] })
    assert.equal(await catalog.find({ kind: 'id', id: nobody }), undefined)
    assert.equal(await catalog.find({ kind: 'slug', slug: slug('bo') }), undefined)
    assert.equal(await catalog.find({ kind: 'domain', domain: 'x.bob.example' }), undefined)
    await assert.rejects(catalog.update(nobody, { name: 'X' }), TenantNotFoundError)
    await assert.rejects(catalog.setStatus(nobody, 'suspended'), TenantNotFoundError)
  })

  promise('an id, a slug and a domain belong to one tenant', async (catalog) => {
    const bob = await catalog.create({ slug: slug('bob'), name: 'Bob', domains: ['bob.example'] })
    const carol = await catalog.create({ slug: slug('carol'), name: 'Carol' })
    await assert.rejects(catalog.create({ id: bob.id, slug: slug('other'), name: 'X' }), TenantExistsError)
    await assert.rejects(catalog.create({ slug: slug('bob'), name: 'X' }), TenantExistsError)
    await assert.rejects(catalog.create({ slug: slug('other'), name: 'X', domains: ['bob.example'] }), TenantExistsError)
    await assert.rejects(catalog.update(carol.id, { slug: slug('bob') }), TenantExistsError)
    await assert.rejects(catalog.update(carol.id, { domains: ['bob.example'] }), TenantExistsError)
    assert.equal(await catalog.find({ kind: 'slug', slug: slug('other') }), undefined, 'a refused tenant leaves nothing behind')
    assert.deepEqual(await catalog.find({ kind: 'id', id: carol.id }), carol)
    await catalog.update(bob.id, { domains: [] })
    assert.deepEqual((await catalog.update(carol.id, { domains: ['bob.example'] })).domains, ['bob.example'])
  })

  promise('each change increments the epoch, and leaves alone what it does not name', async (catalog) => {
    const made = await catalog.create({ slug: slug('bob'), name: 'Bob', plan: 'pro', settings: { a: 1, b: 2 }, domains: ['bob.example'] })
    const renamed = await catalog.update(made.id, { slug: slug('robert') })
    assert.deepEqual({ ...renamed, updatedAt: undefined }, { ...made, slug: 'robert', epoch: 2, updatedAt: undefined })
    assert.equal(await catalog.find({ kind: 'slug', slug: slug('bob') }), undefined)
    const set = await catalog.update(made.id, { settings: { b: 3 }, name: 'Robert', encryptionKeyId: 'k' })
    assert.deepEqual([set.settings, set.name, set.plan, set.encryptionKeyId, set.epoch], [{ b: 3 }, 'Robert', 'pro', 'k', 3])
    assert.deepEqual(await catalog.find({ kind: 'domain', domain: 'bob.example' }), set)
    assert.equal((await catalog.update(made.id, {})).epoch, 4)
  })

  promise('of two who change what both have read, the second is told', async (catalog) => {
    const made = await catalog.create({ slug: slug('bob'), name: 'Bob' })
    const outcomes = await Promise.allSettled([
      catalog.update(made.id, { name: 'One' }, made.epoch),
      catalog.update(made.id, { name: 'Two' }, made.epoch),
    ])
    assert.deepEqual(outcomes.map((outcome) => outcome.status).sort(), ['fulfilled', 'rejected'])
    const lost = outcomes.find((outcome) => outcome.status === 'rejected')
    assert.ok(lost?.reason instanceof StaleTenantError)
    assert.equal((await catalog.find({ kind: 'id', id: made.id }))?.epoch, 2)
    await assert.rejects(catalog.update(made.id, { name: 'X' }, 0), InvalidInputError)
  })

  promise('the status changes there and back, each time with a new epoch', async (catalog) => {
    const made = await catalog.create({ slug: slug('dave'), name: 'Dave' })
    for (const [index, status] of (['suspended', 'active', 'offboarding'] as const).entries()) {
      const changed = await catalog.setStatus(made.id, status)
      assert.deepEqual([changed.status, changed.epoch], [status, index + 2])
      assert.deepEqual(await catalog.find({ kind: 'slug', slug: made.slug }), changed)
    }
    await assert.rejects(catalog.setStatus(made.id, 'deleted' as 'active'), InvalidInputError)
  })

  promise('tenants are listed by id, page after page, each once', async (catalog) => {
    for (let index = 0; index < 7; index += 1) {
      const made = await catalog.create({
        slug: slug(`t${index}`),
        name: `T ${index}`,
        plan: index % 2 ? 'pro' : 'free',
        domains: [`t${index}.example`],
      })
      if (index < 2) await catalog.setStatus(made.id, 'suspended')
    }
    const seen: string[] = []
    let after: TenantId | undefined
    do {
      const page = await catalog.list({ limit: 3, after })
      assert.ok(page.tenants.length <= 3)
      seen.push(...page.tenants.map((tenant) => tenant.id))
      after = page.next
    } while (after !== undefined)
    assert.equal(seen.length, 7)
    assert.deepEqual(seen, [...new Set(seen)].sort())
    assert.equal((await catalog.list({ status: 'suspended' })).tenants.length, 2)
    assert.equal((await catalog.list({ plan: 'pro' })).tenants.length, 3)
    const first = (await catalog.list({ limit: 1, plan: 'pro', status: 'suspended' })).tenants[0]
    assert.deepEqual(first, await catalog.find({ kind: 'slug', slug: slug('t1') }))
    const child = await catalog.create({ slug: slug('child'), name: 'Child', parentId: first!.id })
    assert.deepEqual((await catalog.list({ parentId: first!.id })).tenants, [child])
    assert.deepEqual((await catalog.list({ parentId: child.id })).tenants, [])
    for (const limit of [0, -1, 1.5, 1_001, Number.NaN]) await assert.rejects(catalog.list({ limit }), InvalidInputError)
  })

  promise('whoever watches hears of each kind of change, until it stops', async (catalog) => {
    const bob = await catalog.create({ slug: slug('bob'), name: 'Bob' })
    const { heard, until, stop } = await changes(catalog)
    const told = (id: TenantId) => (ids: readonly TenantId[] | undefined) => ids === undefined || ids.includes(id)
    const carol = await catalog.create({ slug: slug('carol'), name: 'Carol' })
    await until(told(carol.id))
    heard.length = 0
    await catalog.update(bob.id, { name: 'B' })
    await until(told(bob.id))
    heard.length = 0
    await catalog.setStatus(bob.id, 'suspended')
    await until(told(bob.id))
    await stop()
    heard.length = 0
    await catalog.setStatus(bob.id, 'active')
    assert.deepEqual(heard, [])
  })

  promise('a tenant may bring the keys of an application that existed before, whole and frozen', async (catalog) => {
    const keys = { bigint: '9223372036854775807', text: 'Acme & Söhne ' }
    const made = await catalog.create({ slug: slug('acme'), name: 'Acme', keys })
    assert.deepEqual(made.keys, keys)
    assert.ok(Object.isFrozen(made.keys))
    assert.deepEqual(await catalog.find({ kind: 'id', id: made.id }), made)
    assert.deepEqual((await catalog.create({ slug: slug('bob'), name: 'Bob' })).keys, {})
    assert.deepEqual((await catalog.create({ slug: slug('low'), name: 'Low', keys: { bigint: '-9223372036854775808' } })).keys, {
      bigint: '-9223372036854775808',
    })
  })

  promise('a key belongs to one tenant, byte for byte', async (catalog) => {
    await catalog.create({ slug: slug('bob'), name: 'Bob', keys: { bigint: '7', text: 'bob' } })
    const carol = await catalog.create({ slug: slug('carol'), name: 'Carol' })
    for (const keys of [{ bigint: '7' }, { text: 'bob' }]) {
      await assert.rejects(catalog.create({ slug: slug('other'), name: 'X', keys }), TenantExistsError)
      await assert.rejects(catalog.update(carol.id, { keys }), TenantExistsError)
    }
    assert.deepEqual(await catalog.find({ kind: 'id', id: carol.id }), carol)
    for (const [index, text] of ['Bob', 'bob ', ' bob', 'bo\u0062\u0301', '7'].entries()) {
      assert.equal((await catalog.create({ slug: slug(`t${index}`), name: 'T', keys: { text } })).keys.text, text)
    }
  })

  promise('a key is set once: given later if it was absent, given again if it is the same, never changed', async (catalog) => {
    const made = await catalog.create({ slug: slug('bob'), name: 'Bob', keys: { bigint: '7' } })
    const both = await catalog.update(made.id, { keys: { text: 'bob' } })
    assert.deepEqual([both.keys, both.epoch], [{ bigint: '7', text: 'bob' }, 2])
    assert.deepEqual((await catalog.update(made.id, { keys: { bigint: '7' }, name: 'B' })).keys, both.keys)
    await assert.rejects(catalog.update(made.id, { keys: { bigint: '8' } }), InvalidInputError)
    await assert.rejects(catalog.update(made.id, { keys: { text: 'Bob' } }), InvalidInputError)
    const after = await catalog.update(made.id, { name: 'Bob' })
    assert.deepEqual([after.keys, after.epoch], [both.keys, 4])
  })

  promise('a tenant is in the region of its server, or it is refused', async (catalog) => {
    await assert.rejects(catalog.create({ slug: slug('bob'), name: 'Bob', region: 'mars-1' }), RegionMismatchError)
    const bob = await catalog.create({ slug: slug('bob'), name: 'Bob' })
    await assert.rejects(catalog.update(bob.id, { region: 'mars-1' }), RegionMismatchError)
    assert.deepEqual(await catalog.find({ kind: 'id', id: bob.id }), bob)
  })

  promise('a tenant may have a parent, and is never above itself', async (catalog) => {
    const group = await catalog.create({ slug: slug('group'), name: 'Group' })
    const bob = await catalog.create({ slug: slug('bob'), name: 'Bob', parentId: group.id })
    assert.equal(bob.parentId, group.id)
    await assert.rejects(catalog.update(group.id, { parentId: bob.id }), InvalidInputError)
    await assert.rejects(catalog.update(group.id, { parentId: group.id }), InvalidInputError)
    assert.equal((await catalog.update(bob.id, { parentId: null })).parentId, undefined)
    assert.equal((await catalog.update(group.id, { parentId: bob.id })).parentId, bob.id)
  })

  promise('a tenant is removed only while it is being off-boarded, and neither its id nor its name comes back', async (catalog) => {
    const bob = await catalog.create({ slug: slug('bob'), name: 'Bob' })
    await assert.rejects(catalog.remove(bob.id), InvalidInputError)
    await catalog.setStatus(bob.id, 'offboarding')
    await catalog.remove(bob.id)
    assert.equal(await catalog.find({ kind: 'id', id: bob.id }), undefined)
    await assert.rejects(catalog.remove(bob.id), TenantNotFoundError)
    await assert.rejects(catalog.create({ slug: slug('bob'), name: 'Another' }), TenantExistsError)
    await assert.rejects(catalog.create({ id: bob.id, slug: slug('bobby'), name: 'Another' }), TenantExistsError)
    const carol = await catalog.create({ slug: slug('carol'), name: 'Carol' })
    await assert.rejects(catalog.update(carol.id, { slug: bob.slug }), TenantExistsError)
  })

  const good: NewTenant = { slug: slug('fine'), name: 'Fine' }
  const polluted = JSON.parse('{"a":{"__proto__":{"admin":true}}}') as Record<string, Json>
  const hostile: [string, object][] = [
    ['a name with NUL', { name: 'a\0b' }],
    ['a name with a line break', { name: 'a\nb' }],
    ['a name with half a character', { name: 'a\ud800' }],
    ['an empty name', { name: ' ' }],
    ['a name that is too long', { name: 'x'.repeat(201) }],
    ['a name that is no text', { name: 7 }],
    ['a plan with a quote', { plan: "pro'; drop table" }],
    ['a region with capitals', { region: 'EU' }],
    ['settings that are a list', { settings: [] }],
    ['settings with a prototype key', { settings: polluted }],
    ['features with a constructor', { features: { constructor: 1 } }],
    ['settings with NUL', { settings: { a: 'x\0' } }],
    ['settings with NUL in a key', { settings: { 'a\0': 1 } }],
    ['settings with half a character', { settings: { a: '\udc00' } }],
    ['settings with NaN', { settings: { a: Number.NaN } }],
    ['settings with undefined', { settings: { a: undefined } }],
    ['settings with a date', { settings: { a: new Date() } }],
    ['settings with a bigint', { settings: { a: 1n } }],
    ['settings that are too deep', { settings: { a: nested(20) } }],
    ['settings that are too long', { settings: { a: 'x'.repeat(70_000) } }],
    ['an upper-case domain', { domains: ['Acme.example'] }],
    ['a domain with a port', { domains: ['acme.example:80'] }],
    ['a domain with a trailing dot', { domains: ['acme.example.'] }],
    ['a domain of one label', { domains: ['localhost'] }],
    ['an address as a domain', { domains: ['10.0.0.1'] }],
    ['a Unicode domain', { domains: ['ａcme.example'] }],
    ['too many domains', { domains: Array.from({ length: 51 }, (_, index) => `d${index}.example`) }],
    ['a key that is a number', { keys: { bigint: 7 } }],
    ['a key that is a bigint of JavaScript’s', { keys: { bigint: 7n } }],
    ['a key with a leading zero', { keys: { bigint: '07' } }],
    ['a key with a plus', { keys: { bigint: '+7' } }],
    ['a key with a blank', { keys: { bigint: ' 7' } }],
    ['a key with a line break', { keys: { bigint: '7\n' } }],
    ['a key with a fraction', { keys: { bigint: '7.0' } }],
    ['a key with an exponent', { keys: { bigint: '1e3' } }],
    ['a key in hexadecimal', { keys: { bigint: '0x7' } }],
    ['a key of minus zero', { keys: { bigint: '-0' } }],
    ['a key above 64 bits', { keys: { bigint: '9223372036854775808' } }],
    ['a key below 64 bits', { keys: { bigint: '-9223372036854775809' } }],
    ['an empty key', { keys: { text: '' } }],
    ['a blank key', { keys: { text: '  ' } }],
    ['a key with NUL', { keys: { text: 'a\0' } }],
    ['a key with half a character', { keys: { text: 'a\ud800' } }],
    ['a key that is too long', { keys: { text: 'x'.repeat(201) } }],
    ['a key of another type', { keys: { uuid: 'x' } }],
    ['keys that are a list', { keys: [] }],
    ['an upper-case slug', { slug: 'Acme' }],
    ['a reserved slug', { slug: 'admin' }],
  ]
  promise('hostile input is refused by create and update alike, and nothing is stored', async (catalog) => {
    const bob = await catalog.create({ slug: slug('bob'), name: 'Bob' })
    const refusal = (error: unknown) => error instanceof InvalidInputError || error instanceof InvalidTenantRefError
    for (const [what, parts] of hostile) {
      await assert.rejects(catalog.create({ ...good, ...parts }), refusal, `create: ${what}`)
      await assert.rejects(catalog.update(bob.id, parts), refusal, `update: ${what}`)
    }
    await assert.rejects(catalog.create({ ...good, placement: { ...bob.placement, isolation: 'shared' as 'pooled' } }), refusal)
    await assert.rejects(catalog.create({ ...good, id: '0190A0A0-0000-7000-8000-00000000000A' as TenantId }), refusal)
    assert.deepEqual((await catalog.list()).tenants, [bob])
  })

  promise('what was handed in can be changed afterwards without changing the tenant', async (catalog) => {
    const settings = { list: [1] }
    const made = await catalog.create({ ...good, settings })
    settings.list.push(2)
    assert.deepEqual((await catalog.find({ kind: 'id', id: made.id }))?.settings, { list: [1] })
  })

  promise('a tenant that was never opened is taken back, and nothing remembers it', async (catalog) => {
    const made = await catalog.create({ slug: slug('acme'), name: 'Acme', status: 'onboarding' })
    await catalog.discard(made.id)
    assert.equal(await catalog.find({ kind: 'id', id: made.id }), undefined)
    await catalog.create({ id: made.id, slug: slug('acme'), name: 'Acme' })
    await assert.rejects(catalog.discard(made.id), InvalidInputError)
    await assert.rejects(catalog.discard(nobody), TenantNotFoundError)
    await assert.rejects(catalog.discard('x' as TenantId), InvalidTenantRefError)
    assert.equal((await catalog.find({ kind: 'id', id: made.id }))?.status, 'active')
  })

  promise('what remains of a purged tenant has one certificate, and no second', async (catalog) => {
    const { id } = await catalog.create({ slug: slug('acme'), name: 'Acme' })
    const hash = 'ab'.repeat(32)
    await assert.rejects(catalog.noteCertificate(id, hash), TenantNotFoundError)
    await catalog.setStatus(id, 'offboarding')
    await catalog.remove(id)
    await catalog.noteCertificate(id, hash)
    await catalog.noteCertificate(id, hash)
    await assert.rejects(catalog.noteCertificate(id, 'cd'.repeat(32)), InvalidInputError)
    await assert.rejects(catalog.noteCertificate(id, 'AB'), InvalidInputError)
  })
}
