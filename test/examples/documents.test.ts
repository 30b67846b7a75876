// The documents service, end to end: real HTTP, real PostgreSQL, two tenants and one that is suspended.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { type Ask, type DocumentsStage, documentsStage } from '../support/documents.ts'

const documents = '/api/documents'

test('a tenant creates, reads, changes, counts, lists and deletes its documents', async (t) => {
  const { bob, ask } = await documentsStage(t)
  const created = await ask(bob, documents, { method: 'POST', body: { title: 'One', content: 'First' } })
  assert.equal(created.status, 201)
  assert.equal(created.headers.get('location'), `${documents}/${created.json.id}`)
  assert.equal(created.headers.get('x-tenant-id'), bob.tenant.id)
  assert.deepEqual(
    { title: created.json.title, content: created.json.content, authorId: created.json.authorId },
    { title: 'One', content: 'First', authorId: null },
  )
  const path = created.headers.get('location')!
  assert.equal((await ask(bob, path)).json.title, 'One')
  const changed = await ask(bob, path, { method: 'PATCH', body: { title: 'Two' } })
  assert.deepEqual([changed.status, changed.json.title, changed.json.content], [200, 'Two', 'First'])
  assert.equal((await ask(bob, `${documents}/count`)).json.count, 6)
  assert.equal((await ask(bob, documents)).json.documents[0].id, created.json.id)
  const deleted = await ask(bob, path, { method: 'DELETE' })
  assert.deepEqual([deleted.status, deleted.text], [204, ''])
  assert.equal((await ask(bob, path)).status, 404)
  assert.equal((await ask(bob, `${documents}/count`)).json.count, 5)
})

test('an API key does what a token does', async (t) => {
  const { bob, ask } = await documentsStage(t)
  const { status, json } = await ask(undefined, documents, { headers: { 'x-api-key': bob.apiKey } })
  assert.deepEqual([status, json.documents.length], [200, 5])
})

test('pages go through all documents, newest first, each once', async (t) => {
  const { bob, ask } = await documentsStage(t)
  const seen: string[] = []
  let cursor: string | null = null
  do {
    const { json } = await ask(bob, `${documents}?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`)
    assert.ok(json.documents.length <= 2)
    seen.push(...json.documents.map((document: { id: string }) => document.id))
    cursor = json.nextCursor
  } while (cursor !== null)
  assert.equal(new Set(seen).size, 5)
  assert.deepEqual(seen, [...seen].sort().reverse())
})

test('a search finds text in title and content, whatever its case, and takes patterns literally', async (t) => {
  const { bob, ask } = await documentsStage(t)
  const found = async (q: string) => (await ask(bob, `${documents}?q=${encodeURIComponent(q)}`)).json.documents.length
  assert.equal(await found('ROADMAP'), 1)
  assert.equal(await found('confidential to bob'), 5)
  assert.equal(await found('%'), 0)
  assert.equal(await found("' or true --"), 0)
  assert.equal(await found('carol'), 0)
})

test('users belong to their tenant, and so do the authors of documents', async (t) => {
  const { bob, carol, ask } = await documentsStage(t)
  const ada = { email: 'ada@example.com', name: 'Ada' }
  const mine = await ask(bob, '/api/users', { method: 'POST', body: ada })
  assert.equal(mine.status, 201)
  assert.equal((await ask(bob, '/api/users', { method: 'POST', body: ada })).json.code, 'PW_CONSTRAINT')
  // The same address elsewhere tells nothing, and conflicts with nothing.
  assert.equal((await ask(carol, '/api/users', { method: 'POST', body: ada })).status, 201)
  const written = await ask(bob, documents, { method: 'POST', body: { title: 'By Ada', authorId: mine.json.id } })
  assert.deepEqual((await ask(bob, `${documents}/${written.json.id}`)).json.author, { id: mine.json.id, name: 'Ada' })
  assert.equal((await ask(bob, '/api/users')).json.users.length, 2)
  const stolen = await ask(carol, documents, { method: 'POST', body: { title: 'By Ada', authorId: mine.json.id } })
  const invented = await ask(carol, documents, { method: 'POST', body: { title: 'By nobody', authorId: randomUUID() } })
  assert.deepEqual([stolen.status, stolen.json.code], [400, 'PW_INVALID_INPUT'])
  assert.deepEqual({ ...stolen.json, requestId: '' }, { ...invented.json, requestId: '' })
})

test('what one tenant put into its cache is not what another gets, under the very same key', async (t) => {
  const { tenancy, bob, carol } = await documentsStage(t)
  const id = randomUUID()
  const load = (name: string) => () => tenancy.cache().getOrLoad('author', id, async () => ({ id, name }))
  await tenancy.run(bob.tenant.id, load('of bob'))
  assert.equal((await tenancy.run(carol.tenant.id, load('of carol'))).name, 'of carol')
  assert.equal((await tenancy.run(bob.tenant.id, load('of nobody'))).name, 'of bob')
})

test("another tenant's document is not found, on every route, exactly like one that never was", async (t) => {
  const { bob, carol, ask } = await documentsStage(t)
  const { id } = (await ask(bob, documents, { method: 'POST', body: { title: 'Secret of bob' } })).json
  const nobody = randomUUID()
  const routes: Ask[] = [{ method: 'GET' }, { method: 'PATCH', body: { title: 'Taken' } }, { method: 'DELETE' }]
  for (const route of routes) {
    const [theirs, nobodys] = [await ask(carol, `${documents}/${id}`, route), await ask(carol, `${documents}/${nobody}`, route)]
    assert.deepEqual([theirs.status, theirs.json.code], [404, 'PW_ROW_NOT_FOUND'], route.method)
    assert.deepEqual({ ...theirs.json, requestId: '' }, { ...nobodys.json, requestId: '' })
    const plain = (answer: typeof theirs) => [...answer.headers].filter(([name]) => !['date', 'x-request-id'].includes(name))
    assert.deepEqual(plain(theirs), plain(nobodys))
  }
  assert.equal((await ask(bob, `${documents}/${id}`)).json.title, 'Secret of bob')
  const user = (await ask(bob, '/api/users')).json.users[0]
  assert.equal((await ask(carol, `/api/users/${user.id}`)).status, 404)
})

test('lists, counts and searches hold one tenant alone', async (t) => {
  const { bob, carol, ask } = await documentsStage(t)
  for (const party of [bob, carol]) {
    const { documents: found } = (await ask(party, `${documents}?limit=100`)).json
    assert.equal(found.length, 5)
    assert.ok(found.every((document: { title: string }) => document.title.endsWith(`(${party.tenant.name})`)))
    assert.equal((await ask(party, `${documents}/count`)).json.count, 5)
  }
})

test("another tenant's cursor is refused", async (t) => {
  const { bob, carol, ask } = await documentsStage(t)
  const { nextCursor } = (await ask(bob, `${documents}?limit=1`)).json
  assert.equal((await ask(bob, `${documents}?cursor=${nextCursor}`)).status, 200)
  const { status, json } = await ask(carol, `${documents}?cursor=${nextCursor}`)
  assert.deepEqual([status, json.code], [400, 'PW_INVALID_INPUT'])
})

test('a suspended tenant gets 403 on every route, and is served again when it is resumed', async (t) => {
  const { dave, resume, ask } = await documentsStage(t)
  const routes: [string, Ask][] = [
    [documents, {}],
    [`${documents}/count`, {}],
    [`${documents}/${randomUUID()}`, {}],
    [documents, { method: 'POST', body: { title: 'x' } }],
    [`${documents}/${randomUUID()}`, { method: 'PATCH', body: { title: 'x' } }],
    [`${documents}/${randomUUID()}`, { method: 'DELETE' }],
    ['/api/users', {}],
  ]
  for (const [path, options] of routes) {
    const { status, json } = await ask(dave, path, options)
    assert.deepEqual([status, json.code], [403, 'PW_TENANT_SUSPENDED'], path)
  }
  await resume(dave.tenant)
  assert.equal((await ask(dave, documents)).status, 200)
})

test('headers and hosts that name another tenant are refused; one’s own are taken', async (t) => {
  const { bob, carol, ask } = await documentsStage(t)
  assert.equal((await ask(bob, documents, { headers: { 'x-tenant-id': 'bob' } })).status, 200)
  assert.equal((await ask(bob, documents, { headers: { 'x-tenant-id': bob.tenant.id } })).status, 200)
  for (const other of ['carol', carol.tenant.id, 'umbrella', randomUUID()]) {
    const { status, json } = await ask(bob, documents, { headers: { 'x-tenant-id': other } })
    assert.deepEqual([status, json.code], [404, 'PW_TENANT_NOT_FOUND'], other)
  }
  for (const malformed of ['BOB', 'bob carol', "bob' or 1=1", '../bob']) {
    const { status, json } = await ask(bob, documents, { headers: { 'x-tenant-id': malformed } })
    assert.deepEqual([status, json.code], [400, 'PW_INVALID_HINT'], malformed)
  }
})

test('health, readiness and the description of the API need no identity; everything else does', async (t) => {
  const { ask } = await documentsStage(t)
  assert.deepEqual((await ask(undefined, '/health')).json, { status: 'ok' })
  assert.equal((await ask(undefined, '/ready')).json.status, 'ready')
  const { json: api } = await ask(undefined, '/openapi.json')
  assert.deepEqual(Object.keys(api.paths).sort(), [
    '/api/audit/',
    '/api/documents/',
    '/api/documents/count',
    '/api/documents/{id}',
    '/api/users/',
    '/api/users/{id}',
  ])
  assert.equal(api.paths['/api/documents/'].post.requestBody.content['application/json'].schema.properties.title.maxLength, 200)
  for (const path of [documents, `${documents}/count`, '/api/users', '/nowhere']) {
    assert.equal((await ask(undefined, path)).status, 401, path)
  }
})

test('bad input gets a 4xx with a code, and nothing of the inside', async (t) => {
  const stage = await documentsStage(t)
  for (const [path, options] of await badInputs(stage)) {
    const { status, json, text } = await stage.ask(stage.bob, path, options)
    const what = `${options.method ?? 'GET'} ${path.slice(0, 120)} ${JSON.stringify(options).slice(0, 120)} → ${status} ${text.slice(0, 200)}`
    assert.ok(status >= 400 && status < 500, what)
    assert.match(json?.code ?? '', /^PW_/, what)
    assert.doesNotMatch(text, /\bat .*\.ts|node_modules|select |insert |syntax|uuid/i, what)
  }
  // And the connections are as good as before.
  assert.equal((await stage.ask(stage.bob, `${documents}/count`)).json.count, 5)
})

async function badInputs({ bob, carol, ask }: DocumentsStage): Promise<readonly [string, Ask][]> {
  const path = `${documents}/${(await ask(bob, documents)).json.documents[0].id}`
  const post = (body: unknown): [string, Ask] => [documents, { method: 'POST', body }]
  const raw = (text: string, type = 'application/json'): [string, Ask] => [
    documents,
    { method: 'POST', raw: text, headers: { 'content-type': type } },
  ]
  const ids = [
    '1',
    'null',
    '%00',
    "x' or '1'='1",
    randomUUID().toUpperCase(),
    `${randomUUID()}%20`,
    '..%2f..',
    '%ff',
    '%',
    'a'.repeat(5_000),
    '%F0%9F%A6%89',
  ]
  const queries = [
    'limit=0',
    'limit=101',
    'limit=-1',
    'limit=1e1',
    'limit=%2010',
    'limit=1&limit=2',
    'cursor=x',
    'cursor=',
    `cursor=${'A'.repeat(43)}`,
  ]
  const more = ['q=', 'q=%00', `q=${'a'.repeat(201)}`, 'order=id', 'q[]=a', 'limit[$gt]=1', 'limit=1;drop table documents']
  const bodies = [
    {},
    { title: '' },
    { title: 5 },
    { title: null },
    { title: ['x'] },
    { title: { $ne: '' } },
    { title: 'a\u0000b' },
    { title: 'x'.repeat(201) },
  ]
  const more2 = [
    { title: 'x', content: 'a\u0000b' },
    { title: 'x', content: 'x'.repeat(100_001) },
    { title: 'x', authorId: 'x' },
    { title: 'x', id: randomUUID() },
  ]
  const foreign = [{ title: 'x', tenant_id: carol.tenant.id }, { title: 'x', tenantId: carol.tenant.id }, [], 'text', 5, null]
  return [
    ...ids.map((id): [string, Ask] => [`${documents}/${id}`, {}]),
    ...[...queries, ...more].map((query): [string, Ask] => [`${documents}?${query}`, {}]),
    ...[...bodies, ...more2, ...foreign].map(post),
    [path, { method: 'PATCH', body: {} }],
    [path, { method: 'PATCH', body: { tenant_id: carol.tenant.id } }],
    [path, { method: 'PATCH', body: { title: null } }],
    [path, { method: 'PUT', body: { title: 'x' } }],
    raw('{"title":'),
    raw(''),
    raw('{"__proto__":{"title":"x"},"title":"x"}'),
    raw('title=x', 'application/x-www-form-urlencoded'),
    raw('<title>x</title>', 'application/xml'),
    raw('{"title":"x"}', 'text/plain'),
    raw(JSON.stringify({ title: 'x', content: 'x'.repeat(2_000_000) })),
    ['/api/users', { method: 'POST', body: { email: 'no address', name: 'x' } }],
    ['/api/nowhere', {}],
  ]
}

test('a tenant sees who did what, and nothing of another’s', async (t) => {
  const { bob, carol, ask, tenancy } = await documentsStage(t)
  const created = await ask(bob, documents, { method: 'POST', body: { title: 'One', content: 'A secret text' } })
  await ask(bob, `${documents}/${created.json.id}`, { method: 'PATCH', body: { title: 'Two' } })
  await ask(carol, documents)
  await tenancy.audit.flush()
  const { status, json } = await ask(bob, '/api/audit?limit=100')
  assert.equal(status, 200)
  const entries = json.entries as readonly {
    operation: string
    tables?: readonly string[]
    route?: string
    from?: string
    actor: { kind: string }
  }[]
  const updated = entries.find(({ operation, tables }) => operation === 'update' && tables?.includes('documents'))
  assert.deepEqual([updated?.route, updated?.actor.kind], ['PATCH /api/documents/:id', 'user'])
  assert.ok(entries.some(({ operation }) => operation === 'insert'))
  assert.doesNotMatch(JSON.stringify(entries), /A secret text/)
  assert.ok(entries.every(({ from }) => from === undefined || from === '127.0.0.1'))
  assert.deepEqual((await ask(bob, '/api/audit?outcome=refused')).json.entries, [])
  assert.equal((await ask(bob, '/api/audit?cursor=nonsense')).status, 400)
  const others = await ask(carol, '/api/audit?limit=100')
  assert.ok(others.json.entries.length > 0)
  assert.doesNotMatch(JSON.stringify(others.json.entries), /PATCH/)
})
