import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemorySecretStore } from '../../src/core/memory-secret-store.ts'
import type { SecretStore } from '../../src/core/secret-store.ts'
import { ConfigurationError, SecretStoreError } from '../../src/errors.ts'
import { cachedSecrets } from '../../src/secrets/cached.ts'
import { secretFailureConformance, secretReadingConformance, secretWritingConformance } from '../core/secret-store-conformance.ts'
import { ManualClock } from '../support/manual-clock.ts'

secretReadingConformance('cached secrets', async (_t, secrets) => cachedSecrets(new MemorySecretStore(secrets), { ttlMs: 60_000 }))
secretWritingConformance('cached secrets', async () => cachedSecrets(new MemorySecretStore(), { ttlMs: 60_000 }))
secretFailureConformance('cached secrets', 'a store that does not answer', async () => {
  const silent = async () => Promise.reject(new SecretStoreError('No answer.'))
  const store = { kind: 'vault', get: silent, put: silent, delete: silent, list: silent }
  return { store: cachedSecrets(store, { ttlMs: 60_000 }), retryable: true, says: /^No answer\.$/ }
})

/** A store whose answers come when the test says so. */
class SlowStore extends MemorySecretStore implements SecretStore {
  readonly asked: string[] = []
  #gate: PromiseWithResolvers<void> | undefined

  hold(): () => void {
    const gate = Promise.withResolvers<void>()
    this.#gate = gate
    return () => {
      this.#gate = undefined
      gate.resolve()
    }
  }

  override async get(name: string): Promise<string | undefined> {
    this.asked.push(name)
    // What is read is of the moment of the question.
    const value = await super.get(name)
    await this.#gate?.promise
    return value
  }
}

function cast() {
  const clock = new ManualClock()
  const store = new SlowStore({ a: 'one', b: 'two' })
  return { clock, store, cached: cachedSecrets(store, { ttlMs: 1_000, secretsMax: 2, clock }) }
}

test('a secret is asked for once within its time, and again after it', async () => {
  const { clock, store, cached } = cast()
  for (let times = 0; times < 3; times += 1) assert.equal(await cached.get('a'), 'one')
  clock.advance(999)
  await store.put('a', 'new')
  assert.equal(await cached.get('a'), 'one')
  clock.advance(2)
  assert.equal(await cached.get('a'), 'new')
  assert.deepEqual(store.asked, ['a', 'a'])
})

test('the time of a slow answer begins with its question', async () => {
  const { clock, store, cached } = cast()
  const release = store.hold()
  const slow = cached.get('a')
  clock.advance(900)
  release()
  assert.equal(await slow, 'one')
  assert.equal(await cached.get('a'), 'one')
  clock.advance(101)
  await store.put('a', 'new')
  assert.equal(await cached.get('a'), 'new')
})

test('a thousand who ask at once are one question', async () => {
  const { store, cached } = cast()
  const release = store.hold()
  const answers = Array.from({ length: 1_000 }, () => cached.get('a'))
  release()
  assert.deepEqual(new Set(await Promise.all(answers)), new Set(['one']))
  assert.deepEqual(store.asked, ['a'])
})

test('what is forgotten is asked for again', async () => {
  const { store, cached } = cast()
  await cached.get('a')
  await cached.get('b')
  await store.put('a', 'new')
  cached.forget('a')
  assert.equal(await cached.get('a'), 'new')
  assert.equal(await cached.get('b'), 'two')
  assert.deepEqual(store.asked, ['a', 'b', 'a'])
})

test('an answer that was under way when its name was forgotten is not remembered, nor given to who asks later', async () => {
  const { store, cached } = cast()
  const release = store.hold()
  const before = cached.get('a')
  await store.put('a', 'new')
  cached.forget('a')
  const after = cached.get('a')
  release()
  assert.deepEqual(await Promise.all([before, after]), ['one', 'new'])
  assert.equal(await cached.get('a'), 'new')
})

test('a put while an answer is under way is not undone by it', async () => {
  const { store, cached } = cast()
  const release = store.hold()
  const before = cached.get('a')
  await cached.put('a', 'new')
  release()
  assert.equal(await before, 'one')
  assert.equal(await cached.get('a'), 'new')
})

test('what is asked while a put or a delete is under way is not remembered after it', async () => {
  const { store } = cast()
  for (const change of ['put', 'delete'] as const) {
    await store.put('a', 'one')
    const gate = Promise.withResolvers<void>()
    const slow: SecretStore = {
      kind: 'memory',
      get: (name) => store.get(name),
      put: async (name, value) => gate.promise.then(() => store.put(name, value)),
      delete: async (name) => gate.promise.then(() => store.delete(name)),
      list: (prefix) => store.list(prefix),
    }
    const cached = cachedSecrets(slow, { ttlMs: 1_000 })
    const changing = change === 'put' ? cached.put('a', 'new') : cached.delete('a')
    assert.equal(await cached.get('a'), 'one')
    gate.resolve()
    await changing
    assert.equal(await cached.get('a'), change === 'put' ? 'new' : undefined)
  }
})

test('neither an absence nor a failure is remembered', async () => {
  const { store, cached } = cast()
  assert.equal(await cached.get('c'), undefined)
  await store.put('c', 'three')
  assert.equal(await cached.get('c'), 'three')

  let failures = 1
  const failing: SecretStore = {
    kind: 'memory',
    get: async (name) => (failures-- > 0 ? Promise.reject(new SecretStoreError('No answer.')) : store.get(name)),
    put: async () => {},
    delete: async () => {},
    list: async () => [],
  }
  const patient = cachedSecrets(failing, { ttlMs: 1_000 })
  const both = await Promise.allSettled([patient.get('a'), patient.get('a')])
  assert.deepEqual(
    both.map((each) => each.status),
    ['rejected', 'rejected'],
  )
  assert.equal(await patient.get('a'), 'one')
})

test('what is remembered is bounded', async () => {
  const { store, cached } = cast()
  await store.put('c', 'three')
  for (const name of ['a', 'b', 'c', 'b', 'a']) await cached.get(name)
  assert.deepEqual(store.asked, ['a', 'b', 'c', 'a'])
  for (const ttlMs of [0, -1, 1.5, Number.NaN]) assert.throws(() => cachedSecrets(store, { ttlMs }), ConfigurationError)
  assert.throws(() => cachedSecrets(store, { ttlMs: 1, secretsMax: 0 }), ConfigurationError)
})
