import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { test } from 'node:test'
import type { TenantChangeListener, TenantLookup } from '../../src/core/catalog.ts'
import { MemoryCatalog } from '../../src/core/memory-catalog.ts'
import { parseTenantSlug, type Tenant } from '../../src/core/tenant.ts'
import { TenantDirectory, type TenantDirectoryOptions } from '../../src/core/tenant-directory.ts'
import {
  ClosedError,
  DatabaseUnavailableError,
  InvalidTenantRefError,
  OverloadedError,
  TenantNotFoundError,
  TenantOffboardingError,
  TenantSuspendedError,
} from '../../src/errors.ts'
import { ManualClock } from '../support/manual-clock.ts'

/** A catalog that counts, can be held up in mid-lookup, can fail, and can lose its voice. */
class TestCatalog extends MemoryCatalog {
  readonly lookups: TenantLookup[] = []
  failure: Error | undefined
  mute = false
  onFind = () => {}
  /** Resolves after the catalog has read, before it answers. */
  held: Promise<void> | undefined

  override async find(lookup: TenantLookup): Promise<Tenant | undefined> {
    this.lookups.push(lookup)
    this.onFind()
    if (this.failure !== undefined) throw this.failure
    const found = await super.find(lookup)
    await this.held
    return found
  }

  override watch(listener: TenantChangeListener): Promise<() => Promise<void>> {
    return super.watch((ids) => {
      if (!this.mute) listener(ids)
    })
  }
}

async function directoryUnderTest(options: Partial<TenantDirectoryOptions> = {}) {
  const clock = new ManualClock()
  const catalog = new TestCatalog({ clock })
  const bob = await catalog.create({ slug: parseTenantSlug('bob'), name: 'Bob', domains: ['bob.example'] })
  const directory = await TenantDirectory.open({ catalog, clock, ttlMs: 1_000, ...options })
  return { clock, catalog, directory, bob }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
}

function gate() {
  let open = () => {}
  const held = new Promise<void>((resolve) => {
    open = resolve
  })
  return { held, open }
}

test('a tenant is asked for once and then remembered, until its time is over', async () => {
  const { clock, catalog, directory, bob } = await directoryUnderTest()
  assert.deepEqual(await directory.get('bob'), bob)
  assert.deepEqual(await directory.get('bob'), bob)
  assert.deepEqual(await directory.get(bob.id), bob, 'the id was learnt with the slug')
  assert.equal(catalog.lookups.length, 1)
  assert.deepEqual(await directory.findByDomain('bob.example'), bob)
  assert.equal(catalog.lookups.length, 2)
  clock.advance(1_000)
  await directory.get('bob')
  assert.equal(catalog.lookups.length, 3)
})

test('an absence is remembered too, for as long as a presence, and ends when the tenant is made', async () => {
  const { clock, catalog, directory } = await directoryUnderTest()
  await assert.rejects(directory.get('carol'), TenantNotFoundError)
  await assert.rejects(directory.get('carol'), TenantNotFoundError)
  assert.equal(catalog.lookups.length, 1)
  clock.advance(1_000)
  await assert.rejects(directory.get('carol'), TenantNotFoundError)
  assert.equal(catalog.lookups.length, 2)
  const carol = await catalog.create({ slug: parseTenantSlug('carol'), name: 'Carol' })
  await settle()
  assert.deepEqual(await directory.get('carol'), carol)
})

test('a known and an unknown tenant cost the same lookups', async () => {
  const cost = async (ref: string) => {
    const { clock, catalog, directory } = await directoryUnderTest()
    for (let time = 0; time < 30; time += 1) {
      await directory.findByRef(ref)
      clock.advance(100)
    }
    return catalog.lookups.length
  }
  assert.equal(await cost('bob'), await cost('carol'))
})

test('who is suspended or leaving is refused by name, and found all the same', async () => {
  const { catalog, directory, bob } = await directoryUnderTest()
  await directory.get('bob')
  await catalog.setStatus(bob.id, 'suspended')
  await settle()
  await assert.rejects(directory.get('bob'), TenantSuspendedError)
  assert.equal((await directory.findByRef('bob'))?.status, 'suspended')
  await catalog.setStatus(bob.id, 'offboarding')
  await settle()
  await assert.rejects(directory.get(bob.id), TenantOffboardingError)
  await catalog.setStatus(bob.id, 'active')
  await settle()
  assert.equal((await directory.get('bob')).epoch, 4)
})

test('a reference that is not canonical never reaches the catalog', async () => {
  const { catalog, directory, bob } = await directoryUnderTest()
  for (const ref of ['BOB', ' bob', bob.id.toUpperCase(), `{${bob.id}}`, '', '__proto__', 'bob\0']) {
    await assert.rejects(directory.get(ref), InvalidTenantRefError)
  }
  for (const domain of ['BOB.example', 'bob.example:80', 'bob.example.', '', 'bob']) {
    await assert.rejects(directory.findByDomain(domain), InvalidTenantRefError)
  }
  assert.equal(catalog.lookups.length, 0)
})

test('a renamed tenant leaves its old name to the next one', async () => {
  const { catalog, directory, bob } = await directoryUnderTest()
  await directory.get('bob')
  await directory.findByDomain('bob.example')
  await catalog.update(bob.id, { slug: parseTenantSlug('robert'), domains: [] })
  await settle()
  assert.equal((await directory.get(bob.id)).slug, 'robert')
  assert.equal(await directory.findByRef('bob'), undefined)
  assert.equal(await directory.findByDomain('bob.example'), undefined)
  const heir = await catalog.create({ slug: parseTenantSlug('bob'), name: 'Heir', domains: ['bob.example'] })
  await settle()
  assert.equal((await directory.get('bob')).id, heir.id)
  assert.equal((await directory.findByDomain('bob.example'))?.id, heir.id)
})

test('many who ask at once are one lookup', async () => {
  const { catalog, directory, bob } = await directoryUnderTest()
  const all = await Promise.all(Array.from({ length: 50 }, () => directory.get('bob')))
  assert.ok(all.every((tenant) => tenant.id === bob.id))
  assert.equal(catalog.lookups.length, 1)
})

test('a failure of the catalog reaches all who asked and is not remembered', async () => {
  const { catalog, directory, bob } = await directoryUnderTest()
  catalog.failure = new DatabaseUnavailableError('down')
  const outcomes = await Promise.allSettled([directory.get('bob'), directory.get('bob')])
  assert.ok(outcomes.every((outcome) => outcome.status === 'rejected' && outcome.reason instanceof DatabaseUnavailableError))
  catalog.failure = undefined
  assert.deepEqual(await directory.get('bob'), bob)
  assert.equal(directory.stats().lookups, 0)
})

for (const by of ['slug', 'id', 'domain'] as const) {
  test(`a lookup by ${by} that a change overtakes is not remembered, and who asks after the change does not join it`, async () => {
    const { catalog, directory, bob } = await directoryUnderTest()
    const ask = () => (by === 'domain' ? directory.findByDomain('bob.example') : directory.findByRef(by === 'id' ? bob.id : 'bob'))
    const { held, open } = gate()
    catalog.held = held
    const early = ask()
    await settle()
    await catalog.setStatus(bob.id, 'suspended')
    await settle()
    catalog.held = undefined
    assert.equal((await ask())?.status, 'suspended')
    open()
    assert.equal((await early)?.status, 'active')
    assert.equal((await ask())?.status, 'suspended', 'the late answer must not replace the new one')
    assert.equal(directory.stats().lookups, 0)
  })
}

test('an absence that the making of the tenant overtakes is not remembered', async () => {
  const { catalog, directory } = await directoryUnderTest()
  const { held, open } = gate()
  catalog.held = held
  const early = directory.findByRef('carol')
  await settle()
  await catalog.create({ slug: parseTenantSlug('carol'), name: 'Carol' })
  await settle()
  catalog.held = undefined
  open()
  assert.equal(await early, undefined)
  assert.equal((await directory.get('carol')).name, 'Carol')
})

test('an older answer does not replace a newer one', async () => {
  const { catalog, directory, bob } = await directoryUnderTest()
  catalog.mute = true
  const { held, open } = gate()
  catalog.held = held
  const early = directory.findByRef('bob')
  await settle()
  catalog.held = undefined
  await catalog.setStatus(bob.id, 'suspended')
  assert.equal((await directory.findByRef(bob.id))?.epoch, 2)
  open()
  await early
  assert.equal((await directory.findByRef(bob.id))?.epoch, 2)
})

test('when anything may have changed, everything is asked for again', async () => {
  const catalog = new TestCatalog()
  let tell: TenantChangeListener = () => {}
  catalog.watch = async (listener) => {
    tell = listener
    return async () => {}
  }
  const bob = await catalog.create({ slug: parseTenantSlug('bob'), name: 'Bob' })
  const directory = await TenantDirectory.open({ catalog })
  await directory.get('bob')
  await catalog.setStatus(bob.id, 'suspended')
  assert.equal((await directory.get('bob')).status, 'active')
  tell(undefined)
  await assert.rejects(directory.get('bob'), TenantSuspendedError)
})

test('invalidate() forgets one tenant and keeps the others', async () => {
  const { catalog, directory, bob } = await directoryUnderTest()
  catalog.mute = true
  const carol = await catalog.create({ slug: parseTenantSlug('carol'), name: 'Carol' })
  await directory.get('bob')
  await directory.get('carol')
  await catalog.setStatus(bob.id, 'suspended')
  await catalog.setStatus(carol.id, 'suspended')
  directory.invalidate(bob.id)
  await assert.rejects(directory.get('bob'), TenantSuspendedError)
  assert.equal((await directory.get('carol')).status, 'active')
})

test('a shared lookup runs in nobody’s context, and each caller goes on in its own', async () => {
  const { catalog, directory } = await directoryUnderTest()
  const scope = new AsyncLocalStorage<string>()
  const seen: (string | undefined)[] = []
  catalog.onFind = () => seen.push(scope.getStore())
  const ask = (name: string) =>
    scope.run(name, async () => {
      await directory.get('bob')
      return scope.getStore()
    })
  assert.deepEqual(await Promise.all([ask('bob'), ask('carol')]), ['bob', 'carol'])
  assert.deepEqual(seen, [undefined])
})

test('memory is bounded, whatever is asked', async () => {
  const { catalog, directory } = await directoryUnderTest({ tenantsMax: 10, absentMax: 10, lookupsMax: 5 })
  for (let index = 0; index < 100; index += 1) {
    await catalog.create({ slug: parseTenantSlug(`t${index}`), name: 'T' })
    await directory.findByRef(`t${index}`)
    await directory.findByRef(`none-${index}`)
  }
  const { tenants, absent } = directory.stats()
  assert.ok(tenants <= 10 && absent <= 10)
  const { held, open } = gate()
  catalog.held = held
  const waiting = Array.from({ length: 5 }, (_, index) => directory.findByRef(`flood-${index}`))
  await assert.rejects(directory.findByRef('one-more'), (error: OverloadedError) => {
    assert.ok(error instanceof OverloadedError)
    assert.deepEqual(error.details, { bound: 'lookupsMax', value: 5 })
    return true
  })
  open()
  await Promise.all(waiting)
})

test('a closed directory answers nothing and has stopped watching', async () => {
  const { catalog, directory, bob } = await directoryUnderTest()
  await directory.get('bob')
  await directory.close()
  await assert.rejects(directory.get('bob'), ClosedError)
  await catalog.setStatus(bob.id, 'suspended')
  assert.deepEqual(directory.stats(), { tenants: 0, absent: 0, lookups: 0 })
})
