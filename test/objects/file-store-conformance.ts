// What every store promises beyond what backups need. Run by each adapter's test.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { AbortedError, InvalidInputError } from '../../src/errors.ts'
import type { FileStore } from '../../src/objects/file-store.ts'
import { bytesOf, hostileKeys, inPieces } from './object-store-conformance.ts'

export function fileStoreConformance(name: string, make: (t: TestContext) => Promise<FileStore>): void {
  test(`${name}: gives a part of an object, and less where it ends`, async (t) => {
    const store = await make(t)
    const content = randomBytes(200_001)
    await store.put('a/b', inPieces(content))
    for (const [start, end] of [
      [0, 1],
      [5, 70_000],
      [200_000, 200_001],
      [199_999, 900_000],
      [7, 7],
      [200_001, 200_002],
    ] as const) {
      const part = await bytesOf(await store.getRange('a/b', { start, end }))
      assert.ok(part?.equals(content.subarray(start, end)), `${start} to ${end}`)
    }
    assert.equal(await store.getRange('a/c', { start: 0, end: 1 }), undefined)
  })

  test(`${name}: lists page by page, each once, in the order of keys`, async (t) => {
    const store = await make(t)
    const keys = ['a.b', 'a/0', 'a/1/x', 'a/1/y', 'a/10', 'a/2', 'b/1'].sort()
    const since = Date.now()
    for (const key of keys) await store.put(key, inPieces(Buffer.from(key)))
    for (const limit of [1, 2, 3, 7]) {
      const found: string[] = []
      let after: string | undefined
      do {
        const page = await store.page('', { after, limit })
        assert.ok(page.objects.length <= limit)
        found.push(...page.objects.map(({ key }) => key))
        after = page.next
      } while (after !== undefined)
      assert.deepEqual(found, keys, `pages of ${limit}`)
    }
    const page = await store.page('a/1', { after: 'a/1/x' })
    assert.deepEqual(
      page.objects.map(({ key, bytes }) => [key, bytes]),
      [
        ['a/1/y', 5],
        ['a/10', 4],
      ],
    )
    // Stores tell whole seconds, and some have clocks of their own.
    for (const { modifiedAt } of page.objects) assert.ok(Math.abs(modifiedAt.getTime() - since) < 60_000)
    assert.deepEqual(await store.page('nobody/'), { objects: [], next: undefined })
  })

  test(`${name}: copies what is there, and nothing of what is not`, async (t) => {
    const store = await make(t)
    const content = randomBytes(100_000)
    await store.put('a/b', inPieces(content))
    await store.put('c/d', inPieces(Buffer.from('before')))
    assert.deepEqual(await store.copy('a/b', 'c/d'), { key: 'c/d', bytes: 100_000 })
    await store.delete('a/b')
    assert.ok((await bytesOf(await store.get('c/d')))?.equals(content))
    assert.equal(await store.copy('a/b', 'c/e'), undefined)
    assert.equal(await store.head('c/e'), undefined)
    for (const key of hostileKeys) {
      await assert.rejects(store.copy('c/d', key), InvalidInputError, JSON.stringify(key))
      await assert.rejects(store.copy(key, 'c/x'), InvalidInputError, JSON.stringify(key))
      await assert.rejects(store.getRange(key, { start: 0, end: 1 }), InvalidInputError, JSON.stringify(key))
    }
    await assert.rejects(store.page('../'), InvalidInputError)
    await assert.rejects(store.discardUnfinished('../', new Date()), InvalidInputError)
  })

  test(`${name}: reading ends when the signal fires`, async (t) => {
    const store = await make(t)
    await store.put('a/b', inPieces(randomBytes(2_000_000)))
    const stopper = new AbortController()
    const body = await store.get('a/b', { signal: stopper.signal })
    await assert.rejects(async () => {
      for await (const _ of body ?? []) stopper.abort()
    }, AbortedError)
  })

  test(`${name}: what puts and deletes side by side below one prefix do not see of each other`, async (t) => {
    const store = await make(t)
    const work = async (lane: number): Promise<void> => {
      for (let turn = 0; turn < 20; turn += 1) {
        await store.put(`a/b/${lane}`, inPieces(Buffer.from(`${lane} ${turn}`)))
        assert.equal(String(await bytesOf(await store.get(`a/b/${lane}`))), `${lane} ${turn}`)
        await store.delete(`a/b/${lane}`)
      }
    }
    await Promise.all([1, 2, 3, 4].map(work))
    assert.deepEqual(await store.list(''), [])
    assert.equal(await store.discardUnfinished('', new Date(Date.now() + 1_000)), 0)
  })
}
