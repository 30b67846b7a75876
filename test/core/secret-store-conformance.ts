// What every secret store promises. Run by each adapter's test.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import { type SecretStore, secretLengthMax, secretNameLengthMax } from '../../src/core/secret-store.ts'
import { InvalidInputError, SecretStoreError } from '../../src/errors.ts'

/** Makes a store in which these secrets are, put there by others. */
export type MakeSecretStore = (t: TestContext, secrets: Readonly<Record<string, string>>) => Promise<SecretStore>

/** Names that a store could take for another name, a path out of it, or an instruction. */
export const hostileNames: readonly string[] = [
  '',
  '/',
  'a/',
  '/a',
  'a//b',
  '.',
  '..',
  'a/../b',
  '../../etc/passwd',
  'a/./b',
  'a.b',
  'a%2fb',
  'a%00b',
  'a\0b',
  'a b',
  'a\nb',
  'a\n',
  'A',
  'é',
  'a?list=true',
  'a#b',
  'a\\b',
  '-a',
  '_a',
  'a/-b',
  'a*',
  '$(id)',
  '__proto__',
  'constructor.name',
  'x'.repeat(64),
  'a/b/c/d/e/f/g/h/i',
  Array.from({ length: 8 }, () => 'x'.repeat(32)).join('/'),
]

const here = {
  'server/eu-1/app': 'Ap1+/="\'é€😀',
  'server/eu-1/admin': 'S3cretAdmin',
  'server/eu-10/app': 'S3cretTen',
  signing: 'S3cretKey',
}

/** For every store, those that are only read as well. */
export function secretReadingConformance(name: string, make: MakeSecretStore): void {
  const promise = (sentence: string, fn: (store: SecretStore) => Promise<void>) =>
    test(`${name}: ${sentence}`, async (t) => fn(await make(t, here)))

  promise('what others put there is read, character by character', async (store) => {
    for (const [secret, value] of Object.entries(here)) assert.equal(await store.get(secret), value)
  })

  promise('a secret that is not there is undefined, however close its name', async (store) => {
    for (const near of ['server', 'server/eu-1', 'server/eu-1/ap', 'server/eu-1/app/x', 'signing/x', 'constructor', 'tostring'])
      assert.equal(await store.get(near), undefined, near)
  })

  promise('names are listed by how they begin, in order', async (store) => {
    assert.deepEqual(await store.list(''), ['server/eu-1/admin', 'server/eu-1/app', 'server/eu-10/app', 'signing'])
    assert.deepEqual(await store.list('server/eu-1/'), ['server/eu-1/admin', 'server/eu-1/app'])
    assert.deepEqual(await store.list('server/eu-1'), ['server/eu-1/admin', 'server/eu-1/app', 'server/eu-10/app'])
    assert.deepEqual(await store.list('server/eu-1/ap'), ['server/eu-1/app'])
    assert.deepEqual(await store.list('s'), ['server/eu-1/admin', 'server/eu-1/app', 'server/eu-10/app', 'signing'])
    assert.deepEqual(await store.list('signing/'), [])
    assert.deepEqual(await store.list('tenant/'), [])
  })

  promise('a hostile name is refused by every call, and is not repeated in the error', async (store) => {
    for (const hostile of hostileNames) {
      const calls = [() => store.get(hostile), () => store.put(hostile, 'x'), () => store.delete(hostile)]
      for (const call of calls) await assert.rejects(call, InvalidInputError, JSON.stringify(hostile))
    }
    await assert.rejects(store.get('S3cret By Mistake'), (error) => !everythingOf(error).includes('S3cret'))
    for (const hostile of ['..', 'a/../', '/', 'a//', 'A', '%', 'a*', 'a\0']) await assert.rejects(store.list(hostile), InvalidInputError)
  })

  promise('what cannot be a secret is refused, and is not repeated in the error', async (store) => {
    for (const value of ['', 'S3cret\0', 'S3cret\ud800', 'S3cret'.padEnd(secretLengthMax + 1, 'x')]) {
      await assert.rejects(store.put('a', value), (error) => error instanceof InvalidInputError && !everythingOf(error).includes('S3cret'))
    }
  })

  promise('no secret is in what is printed of the store', async (store) => {
    await store.get('signing')
    for (const text of [inspect(store, { depth: 10, showHidden: true }), JSON.stringify(store)]) assert.doesNotMatch(text, /S3cret/)
  })
}

/** For the stores that can be written. */
export function secretWritingConformance(name: string, make: MakeSecretStore): void {
  const promise = (sentence: string, fn: (store: SecretStore) => Promise<void>) =>
    test(`${name}: ${sentence}`, async (t) => fn(await make(t, {})))

  promise('an empty store has nothing', async (store) => {
    assert.equal(await store.get('a'), undefined)
    assert.deepEqual(await store.list(''), [])
  })

  promise('what is put is what is got, and the next one takes its place', async (store) => {
    for (const value of ['one', 'two ', '\uFEFFthree\r\n', '{"value":"x"}', '😀', 'one']) {
      await store.put('server/eu-1/app', value)
      assert.equal(await store.get('server/eu-1/app'), value)
    }
    assert.deepEqual(await store.list(''), ['server/eu-1/app'])
  })

  promise('a name and names below it are secrets of their own', async (store) => {
    await store.put('a', '1')
    await store.put('a/b', '2')
    await store.put('a/b/c', '3')
    await store.put('a-b', '4')
    assert.deepEqual(await Promise.all(['a', 'a/b', 'a/b/c', 'a-b'].map((each) => store.get(each))), ['1', '2', '3', '4'])
    assert.deepEqual(await store.list(''), ['a', 'a-b', 'a/b', 'a/b/c'])
    await store.delete('a/b')
    assert.deepEqual(await store.list('a'), ['a', 'a-b', 'a/b/c'])
    assert.equal(await store.get('a/b'), undefined)
  })

  promise('a deleted secret is gone with all its versions, and deleting it again is no error', async (store) => {
    await store.put('tenant/t1/login', 'first')
    await store.put('tenant/t1/login', 'second')
    await store.put('tenant/t2/login', 'other')
    await store.delete('tenant/t1/login')
    await store.delete('tenant/t1/login')
    await store.delete('tenant/never/login')
    assert.equal(await store.get('tenant/t1/login'), undefined)
    assert.deepEqual(await store.list('tenant/'), ['tenant/t2/login'])
    assert.equal(await store.get('tenant/t2/login'), 'other')
    await store.put('tenant/t1/login', 'third')
    assert.equal(await store.get('tenant/t1/login'), 'third')
  })

  promise('the longest secret is kept whole, in the widest characters too', async (store) => {
    for (const value of ['x'.repeat(secretLengthMax), '€'.repeat(secretLengthMax), '"'.repeat(secretLengthMax)]) {
      await store.put('long', value)
      assert.equal(await store.get('long'), value)
    }
  })

  promise('the longest names are kept, and many of them are listed', async (store) => {
    const longest = Array.from({ length: 8 }, (_, index) => `${index}`.padEnd(index === 0 ? 63 : 26, 'x')).join('/')
    assert.ok(longest.length > 250 && longest.length <= secretNameLengthMax)
    await store.put(longest, 'x')
    assert.equal(await store.get(longest), 'x')
    const many = Array.from({ length: 120 }, (_, index) => `tenant/t${String(index).padStart(3, '0')}/login`)
    await Promise.all(many.map((each) => store.put(each, 'x')))
    assert.deepEqual(await store.list('tenant/'), many)
  })

  promise('of puts at the same time one wins, and none is torn', async (store) => {
    const values = Array.from({ length: 10 }, (_, index) => String(index).repeat(5_000))
    const read = Array.from({ length: 10 }, () => store.get('a'))
    await Promise.all(values.map((value) => store.put('a', value)))
    for (const value of await Promise.all(read)) assert.ok(value === undefined || values.includes(value))
    assert.ok(values.includes((await store.get('a')) ?? ''))
    assert.deepEqual(await store.list(''), ['a'])
  })

  promise('puts and deletes at the same time leave one whole secret or none', async (store) => {
    await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 3 === 2 ? store.delete('t/a') : store.put('t/a', `v${index}`))))
    const value = await store.get('t/a')
    assert.ok(value === undefined || /^v\d+$/.test(value))
    assert.deepEqual(await store.list(''), value === undefined ? [] : ['t/a'])
  })
}

export interface FailingSecretStore {
  /** A store in which `a` is `S3cret`, if only it would say so. */
  readonly store: SecretStore
  /** Whether the same call may succeed later. */
  readonly retryable: boolean
  /** What its errors must say. */
  readonly says: RegExp
  /** What must be in no error beside the secret, e.g. the store's own token. */
  readonly secrets?: readonly string[]
  /** What still works. */
  readonly only?: ReadonlyArray<'get' | 'put' | 'delete' | 'list'>
}

/** For one way in which a store fails: `failing` is the way, as in "a store that times out". */
export function secretFailureConformance(name: string, failing: string, make: (t: TestContext) => Promise<FailingSecretStore>): void {
  test(`${name}: ${failing} is a SecretStoreError of every call, without any secret`, async (t) => {
    const { store, retryable, says, secrets = [], only = ['get', 'put', 'delete', 'list'] } = await make(t)
    const calls = {
      get: () => store.get('a'),
      put: () => store.put('a', 'S3cret'),
      delete: () => store.delete('a'),
      list: () => store.list(''),
    }
    for (const kind of only) {
      await assert.rejects(calls[kind], (error) => {
        assert.ok(error instanceof SecretStoreError, `${kind}: ${inspect(error)}`)
        assert.equal(error.code, 'PW_SECRET_STORE')
        assert.equal(error.retryable, retryable, kind)
        assert.match(error.message, says)
        const text = everythingOf(error)
        for (const secret of ['S3cret', ...secrets]) assert.ok(!text.includes(secret), `${kind} tells a secret: ${text}`)
        return true
      })
    }
  })
}

/** The error, its details and its causes, as deep as they go. */
export function everythingOf(error: unknown): string {
  return inspect(error, { depth: 20, showHidden: true, maxStringLength: null })
}
