import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { PlacedTenant } from '../../src/core/placement-adapter.ts'
import { createTenantContext } from '../../src/core/tenant-context.ts'
import { AbortedError, FileCorruptError, InvalidInputError, ObjectStoreError } from '../../src/errors.ts'
import type { FileStore } from '../../src/objects/file-store.ts'
import { memoryStore } from '../../src/objects/memory-store.ts'
import { fileKey } from '../../src/resources/files/file-key.ts'
import { filePurgeStore } from '../../src/resources/files/file-purge-store.ts'
import { MemoryFileIndexes } from '../../src/resources/files/memory-file-index.ts'
import { incomingKey, newObjectId, objectKey } from '../../src/resources/files/object-key.ts'
import { FilesOfTenants } from '../../src/resources/files/tenant-files.ts'
import { bytesOf, inPieces } from '../objects/object-store-conformance.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { contextOf } from './cache-conformance.ts'
import { textOf } from './files-conformance.ts'

const bob = contextOf('bob', 1)
const carol = contextOf('carol', 10)
const placed = ({ tenant }: typeof bob): PlacedTenant => tenant as unknown as PlacedTenant
const day = 86_400_000

test('a sweep removes what no file names and is old enough, of its own tenant, and counts anew', async () => {
  const store = memoryStore()
  const clock = new ManualClock(Date.now())
  const all = new FilesOfTenants({ options: { store }, indexes: new MemoryFileIndexes(), clock })
  const bobs = all.for(bob)
  await bobs.put(fileKey('kept'), Buffer.from('kept'))
  for (const { tenant } of [bob, carol]) {
    await store.put(objectKey(tenant.id, newObjectId()), inPieces(Buffer.from('of a killed process')))
    await store.put(incomingKey(tenant.id, newObjectId()), inPieces(Buffer.from('never completed')))
  }
  assert.deepEqual(await bobs.sweep(), { objects: 0, bytes: 0, uploads: 0 })
  clock.advance(2 * day)
  assert.deepEqual(await bobs.sweep(), { objects: 2, bytes: 34, uploads: 0 })
  assert.equal(await textOf(bobs, fileKey('kept')), 'kept')
  assert.equal((await store.list('')).length, 3)
  await assert.rejects(bobs.sweep({ olderThanMs: 1_000 }), InvalidInputError)
  await assert.rejects(bobs.sweep({ signal: AbortSignal.abort() }), AbortedError)
})

test('what the store would not delete at once is no file any more, and is swept', async () => {
  const store = memoryStore()
  const clock = new ManualClock(Date.now() + 2 * day)
  let isDown = false
  const brittle: FileStore = Object.assign(Object.create(store) as FileStore, {
    ...Object.fromEntries(
      ['put', 'get', 'getRange', 'head', 'list', 'page', 'copy', 'discardUnfinished'].map((name) => [
        name,
        (store[name as 'put'] as (...all: unknown[]) => unknown).bind(store),
      ]),
    ),
    kind: store.kind,
    direct: undefined,
    delete: async (key: string) => {
      if (isDown) throw new ObjectStoreError('The store does not answer.')
      await store.delete(key)
    },
  })
  const bobs = new FilesOfTenants({ options: { store: brittle }, indexes: new MemoryFileIndexes(), clock }).for(bob)
  await bobs.put(fileKey('a'), Buffer.from('one'))
  isDown = true
  await bobs.put(fileKey('a'), Buffer.from('two'))
  assert.equal(await textOf(bobs, fileKey('a')), 'two')
  await assert.rejects(bobs.delete(fileKey('a')), ObjectStoreError)
  assert.equal(await bobs.head(fileKey('a')), undefined)
  isDown = false
  assert.equal((await bobs.sweep()).objects, 2)
  assert.deepEqual(await store.list(''), [])
})

test('files follow their tenant to the store of its region, are served meanwhile, and leave nothing behind', async () => {
  const stores: Record<string, FileStore> = { default: memoryStore(), eu: memoryStore() }
  const all = new FilesOfTenants({ options: { store: (region) => stores[region]! }, indexes: new MemoryFileIndexes() })
  const before = all.for(bob)
  const contents = new Map([1, 2, 3].map((n) => [fileKey('files', String(n)), randomBytes(n * 100_000)]))
  for (const [key, content] of contents) await before.put(key, content)
  await all.for(carol).put(fileKey('a'), Buffer.from('of carol'))
  const moved = all.for(createTenantContext({ tenant: { ...bob.tenant, region: 'eu', epoch: 2 } }))
  await moved.put(fileKey('new'), Buffer.from('goes to the new region'))
  assert.equal((await stores['eu']!.list('')).length, 1)
  const stopper = new AbortController()
  await assert.rejects(moved.relocate({ signal: stopper.signal, onProgress: () => stopper.abort() }), AbortedError)
  for (const [key, content] of contents) assert.ok((await bytesOf((await moved.get(key))?.body))?.equals(content))
  assert.deepEqual(await moved.relocate(), { files: 2, bytes: 500_000 })
  assert.deepEqual(await moved.relocate(), { files: 0, bytes: 0 })
  for (const [key, content] of contents) assert.ok((await bytesOf((await moved.get(key))?.body))?.equals(content))
  assert.equal((await stores['default']!.list('')).length, 1)
  assert.equal((await stores['eu']!.list('')).length, 4)
  assert.equal(await textOf(all.for(carol), fileKey('a')), 'of carol')
})

test('a file that is not what was stored does not follow: it stays where somebody can look at it', async () => {
  const stores: Record<string, FileStore> = { default: memoryStore(), eu: memoryStore() }
  const all = new FilesOfTenants({ options: { store: (region) => stores[region]! }, indexes: new MemoryFileIndexes() })
  await all.for(bob).put(fileKey('a'), Buffer.from('what was stored'))
  const [object] = await stores['default']!.list('')
  await stores['default']!.put(object!.key, inPieces(Buffer.from('what is there!!')))
  const moved = all.for(createTenantContext({ tenant: { ...bob.tenant, region: 'eu' } }))
  await assert.rejects(moved.relocate(), FileCorruptError)
  assert.deepEqual(await stores['eu']!.list(''), [])
  assert.equal((await stores['default']!.list('')).length, 1)
})

test('what is purged is all of one tenant’s, in every store, named or not, and is read again', async () => {
  const stores = [memoryStore(), memoryStore()] as const
  const all = new FilesOfTenants({ options: { store: stores[0] }, indexes: new MemoryFileIndexes() })
  for (const context of [bob, carol]) {
    await all.for(context).put(fileKey('a'), Buffer.from('x'))
    await stores[1].put(objectKey(context.tenant.id, newObjectId()), inPieces(Buffer.from('left by a move')))
    await stores[0].put(incomingKey(context.tenant.id, newObjectId()), inPieces(Buffer.from('never completed')))
  }
  const purge = filePurgeStore(stores)
  const there = [
    { kind: 'objects', where: 'files (memory)', count: 2 },
    { kind: 'objects', where: 'files (memory 2)', count: 1 },
  ]
  assert.deepEqual(await purge.plan(placed(bob)), there)
  assert.deepEqual(await purge.purge(placed(bob), { signal: AbortSignal.abort() }), [])
  assert.deepEqual(await purge.verify(placed(bob)), there)
  const told: unknown[] = []
  assert.deepEqual(await purge.purge(placed(bob), { onProgress: (count) => told.push(count) }), there)
  assert.deepEqual(told, there)
  assert.deepEqual(await purge.verify(placed(bob)), [])
  assert.deepEqual(await purge.purge(placed(bob), {}), [])
  assert.deepEqual(await purge.plan(placed(carol)), there)
})
