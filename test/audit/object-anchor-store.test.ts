import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anchorName } from '../../src/audit/anchor-store.ts'
import { objectAnchors } from '../../src/audit/object-anchor-store.ts'
import { ObjectStoreError } from '../../src/errors.ts'
import { memoryStore } from '../../src/objects/memory-store.ts'
import type { ObjectStore } from '../../src/objects/object-store.ts'
import { type AnchorStage, anchorStoreConformance, bob, headOf } from './anchor-store-conformance.ts'

/** A store that lists in an order of its own, as its port for anchors allows. */
function stage(): AnchorStage & { readonly store: ObjectStore } {
  const store = memoryStore()
  const anchors = objectAnchors({
    kind: store.kind,
    put: async (key, body) => await store.put(key, body),
    get: async (key) => await store.get(key),
    list: async (prefix) => (await store.list(prefix)).toReversed(),
  })
  const bytes = async function* (text: string): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text)
  }
  return { store, anchors, plant: async (tenant, name, text) => void (await store.put(`audit/${tenant}/${name}`, bytes(text))) }
}

anchorStoreConformance('objects', async () => stage())

test('an anchor is never written over: what stands in its place is told', async () => {
  const { anchors, plant } = stage()
  const head = headOf(bob, '9')
  await plant(bob, anchorName(head), '{}\n')
  await assert.rejects(anchors.put(head), ObjectStoreError)
  await assert.rejects(anchors.list(bob), ObjectStoreError, 'it is still there')
})
