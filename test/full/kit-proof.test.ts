// Every attack of the isolation kit is seen to succeed: each where its own mutation has taken down what stops it. A minute or two, on a
// server of its own, because some mutations make the app's login stronger than it may ever be.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attackList } from '../../src/testing/isolation/attack-list.ts'
import { proveIsolated } from '../../src/testing/isolation/prove-isolated.ts'

const binDirectory = process.env['PARTYWALL_TEST_POSTGRES_BIN']
const migrations = new URL('../../examples/documents/migrations/', import.meta.url)

test('no attack in SQL or on the cache is one that could not succeed', async () => {
  const proofs = await proveIsolated({ migrations, binDirectory })
  assert.deepEqual(
    proofs.filter(({ outcome }) => outcome !== 'red'),
    [],
  )
  assert.equal(proofs.length, attackList().filter(({ door }) => door !== 'HTTP').length)
})
