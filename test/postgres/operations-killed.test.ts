// Operations on a real database, by processes that are really killed: at every edge of every step, one after the other.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { certificateKey } from '../../src/operations/certificate-key.ts'
import { type SignedCertificate, verifyCertificate } from '../../src/operations/purge-certificate.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import type { OperationsProcess } from '../support/operations-process.ts'

const program = fileURLToPath(new URL('../support/operations-process.ts', import.meta.url))

const tables = `
  set role partywall_owner;
  create table app.notes (
    tenant_id uuid not null default partywall.tenant_id(),
    title text not null,
    body text not null,
    constraint notes_pkey primary key (tenant_id, title)
  );
  select partywall.protect('app.notes');
  reset role;
`

async function databaseWithNotes(t: TestContext) {
  const database = await testDatabase(t)
  await database.superuser.query(tables)
  let kept = ''
  const key = await certificateKey({
    get: async () => kept || undefined,
    put: async (_name, value) => {
      kept = value
    },
  })
  return { database, key, secret: kept }
}

interface End {
  readonly edge: string | undefined
  readonly code: number | null
  readonly signal: string | null
  readonly errors: string
}

async function run(task: OperationsProcess): Promise<End> {
  const child = spawn(process.execPath, [program, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [output, errors, [code, signal]] = await Promise.all([
    child.stdout.toArray(),
    child.stderr.toArray(),
    once(child, 'close') as Promise<[number | null, string | null]>,
  ])
  return { edge: output.join('').trim() || undefined, code, signal, errors: errors.join('') }
}

/** Dies at one edge after the other until the operation is over. @returns the edges. */
async function throughEveryEdge(database: TestDatabase, first: Omit<OperationsProcess, 'urls' | 'seen'>): Promise<readonly string[]> {
  const edges: string[] = []
  for (let act = first.act; ; act = 'resume') {
    const end = await run({ ...first, act, urls: database.urls, seen: edges })
    if (end.edge === undefined) {
      assert.equal(end.code, 0, `after ${edges.at(-1)}: ${end.errors || 'nothing was to be resumed'}`)
      return edges
    }
    assert.equal(end.signal, 'SIGKILL', end.errors)
    edges.push(end.edge)
    // Nobody waits for the lease of the dead.
    await database.superuser.query(`update partywall.operations set owned_until = now() where state = 'running'`)
  }
}

const edgesOf = (steps: readonly string[]) => steps.flatMap((step) => [`${step} started`, `${step} done`])

test('an onboarding that is killed at every edge of every step ends with one tenant, one seed and one living key', async (t) => {
  const { database, secret } = await databaseWithNotes(t)
  const edges = await throughEveryEdge(database, { act: 'onboard', secret })
  const steps = ['place', 'reserve', 'provision', 'before-open', 'open-gate', 'seed-welcome', 'admin', 'activate', 'onboarded']
  assert.deepEqual(edges, edgesOf(steps))
  const { superuser } = database
  const tenants = await superuser.query('select slug, status, state from partywall.tenants join partywall.gates on tenant_id = id')
  assert.deepEqual(tenants, [{ slug: 'umbrella', status: 'active', state: 'open' }])
  assert.deepEqual(await superuser.query('select title from app.notes'), [{ title: 'Welcome' }])
  assert.equal((await superuser.query('select prefix from partywall.api_keys where revoked_at is null')).length, 1)
  assert.deepEqual(await superuser.query('select kind, state from partywall.operations'), [{ kind: 'onboard', state: 'done' }])
})

test('an off-boarding that is killed at every edge ends with nothing left, and with a certificate that adds up', async (t) => {
  const { database, key, secret } = await databaseWithNotes(t)
  const { superuser, urls } = database
  assert.equal((await run({ act: 'onboard', urls, secret, seen: everyEdge })).code, 0)
  await superuser.query(
    `insert into app.notes (tenant_id, title, body) select id, 'note ' || g, '' from partywall.tenants, generate_series(1, 6) as g`,
  )
  const other = `insert into partywall.tenants (slug, name) values ('globex', 'Globex') returning id`
  const [globex] = await superuser.query<{ id: string }>(other)
  await superuser.query(`insert into app.notes (tenant_id, title, body) values ($1, 'stays', '')`, [globex?.id])
  const edges = await throughEveryEdge(database, { act: 'offboard', secret })
  const steps = ['note', 'close-gate', 'mark-offboarding', 'end-statements', 'grace', 'plan', 'purge-placement', 'purge-catalog']
  const rest = ['verify', 'forget', 'certify', 'seal']
  assert.deepEqual(
    edges,
    edgesOf([...steps, ...rest]).filter((edge) => edge !== 'grace started'),
  )
  assert.deepEqual(await superuser.query('select slug from partywall.tenants'), [{ slug: 'globex' }])
  assert.deepEqual(await superuser.query('select title from app.notes'), [{ title: 'stays' }])
  assert.deepEqual(await superuser.query('select prefix from partywall.api_keys'), [])
  const [row] = await superuser.query<{ output: SignedCertificate; hash: string }>(
    `select o.steps->'certify'->'output' as output, encode(g.certificate_sha256, 'hex') as hash
       from partywall.operations as o
       join partywall.tombstones as g on g.tenant_id = o.tenant_id
      where o.kind = 'offboard' and o.state = 'done'`,
  )
  assert.equal(row?.hash, row?.output.sha256)
  const certificate = await verifyCertificate(row?.output.text ?? '', key.public)
  const placement = certificate.stores.find(({ store }) => store === 'placement')
  assert.deepEqual(
    placement?.removed.find(({ kind }) => kind === 'rows'),
    { kind: 'rows', where: 'app.notes', count: 7 },
  )
  assert.ok(certificate.stores.every(({ after }) => after.length === 0))
  assert.deepEqual(await superuser.query(`select input, reason from partywall.operations where kind = 'onboard'`), [
    { input: {}, reason: '' },
  ])
})

/** A process that has seen them all dies nowhere. */
const everyEdge = edgesOf(['place', 'reserve', 'provision', 'before-open', 'open-gate', 'seed-welcome', 'admin', 'activate', 'onboarded'])
