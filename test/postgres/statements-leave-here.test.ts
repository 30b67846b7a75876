// Every place from which SQL leaves the process on a tenant's connection. What runs a tenant's statement tells the audit log; a new place
// turns this red, until somebody has said here which it is.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sourceFiles } from '../support/source-files.ts'

/** By file: how many, and why each is recorded or need not be. */
const known: Readonly<Record<string, readonly [count: number, why: string]>> = {
  'src/postgres/lease.ts': [1, 'single statements: Leases.query() records around them'],
  'src/postgres/transaction.ts': [
    3,
    'statements and streams: TransactionAudit records around them; COMMIT and ROLLBACK are its end; closing a portal is none',
  ],
  'src/postgres/binding.ts': [1, 'binds a capability, and is no access'],
  'src/postgres/own-control.ts': [1, 'statements of partywall’s own over a tenant’s login: capabilities, gates, the log itself'],
}

test('SQL leaves from known places alone', async () => {
  const found: Record<string, number> = {}
  for (const { path, text } of await sourceFiles(['src/postgres'])) {
    const count = text.match(/\bconnection\.send\(/g)?.length ?? 0
    if (count > 0) found[path] = count
  }
  assert.deepEqual(found, Object.fromEntries(Object.entries(known).map(([path, [count]]) => [path, count])))
})

test('nobody but the pool has a tenant’s connection to write on', async () => {
  const files = await sourceFiles(['src'])
  const holders = files
    .filter(({ text }) => /\b(takeIdle|pool\.take)\(/.test(text))
    .map(({ path }) => path)
    .sort()
  assert.deepEqual(holders, ['src/postgres/lease.ts', 'src/postgres/own-control.ts', 'src/postgres/pool.ts'])
})

test('each of them that runs a tenant’s statement records it', async () => {
  const texts = new Map((await sourceFiles(['src/postgres'])).map(({ path, text }) => [path, text]))
  assert.match(texts.get('src/postgres/lease.ts')!, /audit\.begin\(.*\n(.*\n){1,4}.*audit\.done\(/)
  assert.match(texts.get('src/postgres/transaction.ts')!, /audit\.around\(/)
  assert.match(texts.get('src/postgres/transaction.ts')!, /beginStream\(/)
})
