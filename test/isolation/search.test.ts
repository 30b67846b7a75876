// Search, with its index where this run's tenants live.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import type { Tenant } from '../../src/core/tenant.ts'
import { ConfigurationError, InvalidInputError, NoTenantError, TenantSuspendedError, WrongTenantError } from '../../src/errors.ts'
import type { SearchDocument, TenantSearch } from '../../src/resources/search/tenant-search.ts'
import { type Stage, stage } from '../support/cast.ts'

let scene: Stage

const as = async <T>(tenant: Pick<Tenant, 'id'>, fn: (search: TenantSearch) => Promise<T>): Promise<T> =>
  await scene.tenancy.run(tenant.id, () => fn(scene.tenancy.search()))

const found = async (tenant: Tenant, ...ask: Parameters<TenantSearch['search']>): Promise<readonly string[]> =>
  await as(tenant, async (search) => (await search.search(...ask)).hits.map(({ id }) => id))

const contract: SearchDocument = {
  id: 'c1',
  title: 'Contract with Müller',
  body: 'Payment within thirty days. The supplier delivers monthly.',
  attributes: { state: 'open', tags: ['legal'] },
}
const invoice: SearchDocument = { id: 'i1', title: 'Invoice 2026-11', body: 'Payment received from Müller.', attributes: { state: 'paid' } }

describe('where a tenant lives', () => {
  before(async () => {
    scene = await stage(undefined)
  })

  after(async () => {
    await scene.tenancy.close()
  })

  test('where there is no index, what makes one is told', async () => {
    await assert.rejects(found(scene.bob, 'anything'), ConfigurationError)
    await scene.migrate('select partywall.create_search()')
  })

  describe('search of tenants', () => {
    afterEach(async () => {
      await scene.alice('delete from search_documents')
    })

    test('there is none without a tenant', () => {
      assert.throws(() => scene.tenancy.search(), NoTenantError)
    })

    test('finds documents by their words, those of the title first, and shows where', async () => {
      await as(scene.bob, (search) => search.put('documents', [contract, invoice]))
      assert.deepEqual((await found(scene.bob, 'payment')).toSorted(), ['c1', 'i1'])
      assert.deepEqual(await found(scene.bob, 'müller'), ['c1', 'i1'])
      assert.deepEqual(await found(scene.bob, '"thirty days"'), ['c1'])
      assert.deepEqual(await found(scene.bob, 'payment -thirty'), ['i1'])
      assert.deepEqual((await found(scene.bob, 'thirty or received')).toSorted(), ['c1', 'i1'])
      const { hits } = await as(scene.bob, (search) => search.search('delivers'))
      assert.deepEqual(
        hits[0]?.snippet.filter(({ isMatch }) => isMatch),
        [{ text: 'delivers', isMatch: true }],
      )
    })

    test('never finds, counts or suggests what is another tenant’s', async () => {
      await as(scene.bob, (search) => search.put('documents', contract))
      await as(scene.carol, (search) => search.put('documents', { ...invoice, title: 'Unrelated' }))
      for (const text of ['contract', 'thirty', 'müller contract', 'contrakt']) assert.deepEqual(await found(scene.carol, text), [], text)
      assert.equal(await as(scene.carol, (search) => search.remove('documents', 'c1')), 0)
      // The same id is another document of another tenant.
      await as(scene.carol, (search) => search.put('documents', { ...contract, body: 'Of carol alone.' }))
      assert.deepEqual(await found(scene.bob, 'carol'), [])
      assert.deepEqual(await found(scene.carol, 'carol'), ['c1'])
    })

    test('reads no other tenant’s documents behind the mark on "@@" either, whatever is asked', async () => {
      await as(scene.bob, (search) => search.put('documents', contract))
      await as(scene.carol, (search) => search.put('documents', invoice))
      const text = `select d.title, d.words @@ to_tsquery('simple', 'contract') as hit from search_documents as d where d.words @@ to_tsquery('simple', 'contract | invoice')`
      const { rows } = await scene.tenancy.run(scene.carol.id, () => scene.tenancy.query(text))
      assert.deepEqual(rows, [{ title: 'Invoice 2026-11', hit: false }])
    })

    test('finds what begins like the last word, for whoever is still typing', async () => {
      await as(scene.bob, (search) => search.put('documents', [contract, invoice]))
      assert.deepEqual(await found(scene.bob, 'contract mül', { isPrefix: true }), ['c1'])
      assert.deepEqual(await found(scene.bob, 'inv', { isPrefix: true }), ['i1'])
      assert.deepEqual(await found(scene.bob, "x'", { isPrefix: true }), [])
    })

    test('answers with titles that look like it when no document has the words', async () => {
      await as(scene.bob, (search) => search.put('documents', [contract, invoice]))
      const answer = await as(scene.bob, (search) => search.search('kontract'))
      assert.deepEqual([answer.areSimilar, answer.hits.map(({ id }) => id)], [true, ['c1']])
      assert.deepEqual(await as(scene.bob, (search) => search.search('zebra')), { hits: [], areSimilar: false })
    })

    test('knows the grammar of a language', async () => {
      await as(scene.bob, (search) => search.put('documents', { id: 'e', title: 'Running late', language: 'english' }))
      assert.deepEqual(await found(scene.bob, 'run', { language: 'english' }), ['e'])
      await assert.rejects(found(scene.bob, 'run', { language: 'klingon' }), InvalidInputError)
    })

    test('looks within a collection and attributes, a page at a time', async () => {
      const many = Array.from({ length: 5 }, (_, i) => ({ id: `n${i}`, title: `Note ${i}`, attributes: { even: i % 2 === 0 } }))
      await as(scene.bob, async (search) => {
        await search.put('notes', many)
        await search.put('documents', { id: 'd', title: 'Note elsewhere' })
      })
      assert.equal((await found(scene.bob, 'note')).length, 6)
      assert.equal((await found(scene.bob, 'note', { collection: 'notes' })).length, 5)
      assert.deepEqual(await found(scene.bob, 'note', { attributes: { even: true } }), ['n0', 'n2', 'n4'])
      const pages = [
        await found(scene.bob, 'note', { collection: 'notes', limit: 3 }),
        await found(scene.bob, 'note', { collection: 'notes', limit: 3, offset: 3 }),
      ]
      assert.deepEqual(
        pages.flat().toSorted(),
        many.map(({ id }) => id),
      )
    })

    test('what is indexed in a transaction is found when it commits, and in nobody else’s', async () => {
      const carols = await as(scene.carol, async (search) => search)
      await as(scene.bob, async (search) => {
        await assert.rejects(
          scene.tenancy.transaction(async (tx) => {
            await search.put('documents', contract, { tx })
            throw new RangeError('no')
          }),
          RangeError,
        )
        await scene.tenancy.transaction(async (tx) => {
          await search.put('documents', invoice, { tx })
          await assert.rejects(carols.put('documents', contract, { tx }), WrongTenantError)
        })
      })
      assert.deepEqual(await found(scene.bob, 'payment'), ['i1'])
    })

    test('is there all the while it is rebuilt, and what did not come is gone', async () => {
      const of = (i: number, word: string): SearchDocument => ({ id: `r${i}`, title: `Report ${word}` })
      await as(scene.bob, (search) =>
        search.put(
          'reports',
          Array.from({ length: 500 }, (_, i) => of(i, 'old')),
        ),
      )
      const seen: number[] = []
      const told = await as(scene.bob, (search) =>
        search.rebuild(
          'reports',
          (async function* () {
            for (let i = 0; i < 450; i++) yield of(i, 'new')
            await search.put('reports', { id: 'meanwhile', title: 'Report meanwhile' })
          })(),
          { onProgress: async () => void seen.push((await found(scene.bob, 'report', { limit: 100 })).length) },
        ),
      )
      assert.equal(told.put, 450)
      assert.ok(told.removed >= 50)
      assert.ok(seen.every((hits) => hits === 100))
      assert.deepEqual(await found(scene.bob, 'old'), [])
    })

    test('what cannot be is refused before anything is written', async () => {
      const put = (document: SearchDocument, collection = 'documents') => as(scene.bob, (search) => search.put(collection, document))
      await assert.rejects(put({ ...contract, id: '' }), InvalidInputError)
      await assert.rejects(put({ ...contract, title: 'x'.repeat(1_001) }), InvalidInputError)
      await assert.rejects(put({ ...contract, body: 'x'.repeat(500_001) }), InvalidInputError)
      await assert.rejects(put(contract, '../other'), InvalidInputError)
      await assert.rejects(put({ ...contract, attributes: { x: 'y'.repeat(10_001) } }), InvalidInputError)
      for (const text of ['', '   ', '-- !', 'x'.repeat(1_001)]) await assert.rejects(found(scene.bob, text), InvalidInputError)
      await assert.rejects(found(scene.bob, 'x', { limit: 101 }), InvalidInputError)
      // Whatever is typed is a question, and no syntax is an error.
      for (const text of ["o'brien", 'a & | ! b', '((x', '"open', 'x:*', "'; drop table x; --"])
        assert.deepEqual(await found(scene.bob, text), [])
      // Control characters are not text to PostgreSQL, or mark matches.
      await put({ id: 'z', title: 'Null\u0000ed', body: '\u0002not a match\u0003' })
      const { hits } = await as(scene.bob, (search) => search.search('null'))
      assert.ok(hits[0]?.snippet.every(({ isMatch }) => !isMatch))
    })

    test('the documents of a suspended tenant are not found', async () => {
      const carols = await as(scene.carol, async (search) => search)
      await scene.suspend(scene.carol)
      try {
        await assert.rejects(carols.search('anything'), TenantSuspendedError)
      } finally {
        await scene.resume(scene.carol)
      }
    })
  })
})
