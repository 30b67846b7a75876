// Forgeries by a superuser in a real table: each is seen to pass the weaker means, and found by the stronger.

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { type AuditRow, chainHash, chainStart } from '../../src/audit/chain.ts'
import { type HeadKind, keyId, type SignedHead, signHead } from '../../src/audit/signed-head.ts'
import { type AuditFindingKind, type AuditVerdict, verifyLog } from '../../src/audit/verify-log.ts'
import type { TenantId } from '../../src/core/tenant.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const bob = '0198aaaa-0000-7000-8000-00000000000b' as TenantId
const carol = '0198aaaa-0000-7000-8000-00000000000c' as TenantId
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const keys = new Map([[keyId(publicKey), publicKey]])
const stranger = generateKeyPairSync('ed25519')

let database: TestDatabase

before(async () => {
  database = await testDatabase()
  await run(`create table public.audit_log (tenant_id uuid not null, position bigint not null, at timestamptz not null,
    payload json not null, hash bytea not null, primary key (tenant_id, position))`)
})

async function run(sql: string, values: readonly unknown[] = []): Promise<readonly Record<string, unknown>[]> {
  return await database.superuser.query(sql, [...values])
}

/** The chain by the database's own functions: what ours computes must be the same. */
const chained = `with recursive chain as (
    select 0::bigint as position, null::timestamptz as at, null::text as payload,
      sha256(convert_to('partywall audit', 'UTF8') || uuid_send($1::uuid)) as hash
    union all
    select entry.position, entry.at, entry.payload, sha256(chain.hash || int8send(entry.position) || convert_to(entry.payload, 'UTF8'))
    from chain
    cross join lateral (
      select chain.position + 1 as position, timestamptz '2026-01-01 00:00:00Z' + chain.position * interval '1 second' as at
    ) as next
    cross join lateral (
      select next.position, next.at,
        format('{"at": "%s",  "action":"%s é"}', to_char(next.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), $2::text) as payload
    ) as entry
    where chain.position < $3
  )
  insert into public.audit_log (tenant_id, position, at, payload, hash)
  select $1::uuid, position, at, payload::json, hash from chain where position > 0`

async function fresh(action = 'read', entries = 20): Promise<void> {
  await run('delete from public.audit_log where tenant_id = $1', [bob])
  await run(chained, [bob, action, entries])
}

async function* rows(): AsyncGenerator<readonly AuditRow[]> {
  const found = await run(
    `select position::text, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, payload::text, encode(hash, 'hex') as hash
     from public.audit_log where tenant_id = $1 order by audit_log.position`,
    [bob],
  )
  const all = found.map(({ position, at, payload, hash }) => ({
    position: BigInt(String(position)),
    at: String(at),
    payload: String(payload),
    hash: Buffer.from(String(hash), 'hex'),
  }))
  for (let from = 0; from < all.length; from += 7) yield all.slice(from, from + 7)
}

async function signed(position: number, kind: HeadKind = 'head', key = privateKey): Promise<SignedHead> {
  const [row] = await run(`select encode(hash, 'hex') as hash from public.audit_log where tenant_id = $1 and position = $2`, [
    bob,
    position,
  ])
  return signHead({ v: 1, kind, tenant: bob, position: String(position), hash: String(row?.hash), at: '2026-01-02T00:00:00.000Z' }, key)
}

const judged = async (anchors: readonly SignedHead[] = []): Promise<AuditVerdict> =>
  await verifyLog({ tenant: bob, batches: rows(), anchors, keys })
const kinds = ({ findings }: AuditVerdict): readonly AuditFindingKind[] => findings.map(({ kind }) => kind)

describe('a log is verified:', () => {
  test('one that nobody touched is sound, and says how far it is anchored', async () => {
    await fresh()
    const verdict = await judged([await signed(12)])
    assert.deepEqual(verdict, { isSound: true, entries: 20, head: 20n, anchoredTo: 12n, findings: [], findingsLeftOut: 0 })
  })

  test('an edit is found where it was made, and only there', async () => {
    await fresh()
    await run(`update public.audit_log set payload = replace(payload::text, 'read', 'reat')::json where tenant_id = $1 and position = 5`, [
      bob,
    ])
    const { findings } = await judged()
    assert.deepEqual(
      findings.map(({ kind, position }) => [kind, position]),
      [['edited', 5n]],
    )
  })

  test('spaces count: the exact text was hashed', async () => {
    await fresh()
    await run('update public.audit_log set payload = payload::jsonb::text::json where tenant_id = $1 and position = 5', [bob])
    assert.deepEqual(kinds(await judged()), ['edited'])
  })

  test('a deletion in the middle is a gap, also when the positions are closed up', async () => {
    await fresh()
    await run('delete from public.audit_log where tenant_id = $1 and position = 5', [bob])
    assert.deepEqual(kinds(await judged()), ['gap'])
    await run('update public.audit_log set position = position - 1 where tenant_id = $1 and position = 6', [bob])
    assert.deepEqual(kinds(await judged()), ['edited', 'gap'])
  })

  test('two entries that changed places are found', async () => {
    await fresh()
    await run(`update public.audit_log set position = -position where tenant_id = $1 and position in (5, 6)`, [bob])
    await run('update public.audit_log set position = 11 + position where tenant_id = $1 and position < 0', [bob])
    assert.deepEqual(kinds(await judged()), ['edited', 'edited', 'edited'])
  })

  test('a column "at" that the entry does not say is found, though the chain does not cover it', async () => {
    await fresh()
    await run(`update public.audit_log set at = at - interval '1 day' where tenant_id = $1 and position = 5`, [bob])
    assert.deepEqual(kinds(await judged()), ['time'])
  })

  test('an end that was cut off passes the chain alone, and not the anchor', async () => {
    await fresh()
    const anchor = await signed(18)
    await run('delete from public.audit_log where tenant_id = $1 and position > 15', [bob])
    assert.equal((await judged()).isSound, true)
    assert.deepEqual(kinds(await judged([anchor])), ['truncated'])
    await run('delete from public.audit_log where tenant_id = $1', [bob])
    assert.equal((await judged()).isSound, true)
    assert.deepEqual(kinds(await judged([anchor])), ['truncated'])
  })

  test('a log that was written anew passes the chain alone, and not the anchor', async () => {
    await fresh()
    const anchor = await signed(18)
    await fresh('innocent')
    assert.equal((await judged()).isSound, true)
    const verdict = await judged([anchor])
    assert.deepEqual([kinds(verdict), verdict.anchoredTo], [['rewritten'], 0n])
  })

  test('an anchor that its key did not sign, of a key not held, or of another log is told and not believed', async () => {
    await fresh()
    const anchor = await signed(18)
    await fresh('innocent')
    const forged = { ...anchor, hash: (await signed(18)).hash }
    const unknown = await signed(18, 'head', stranger.privateKey)
    const foreign = signHead({ ...anchor, tenant: carol }, privateKey)
    for (const [bad, kind] of [
      [forged, 'forged'],
      [unknown, 'unknown-key'],
      [foreign, 'foreign'],
    ] as const) {
      const verdict = await judged([bad])
      assert.deepEqual([kinds(verdict), verdict.anchoredTo], [[kind], 0n])
    }
  })

  test('after a change of keys what the old one signed is still believed, while it is held', async () => {
    await fresh()
    const both = new Map([...keys, [keyId(stranger.publicKey), stranger.publicKey]])
    const anchors = [await signed(10), await signed(18, 'head', stranger.privateKey)]
    const verdict = await verifyLog({ tenant: bob, batches: rows(), anchors, keys: both })
    assert.deepEqual([verdict.isSound, verdict.anchoredTo], [true, 18n])
  })

  test('a beginning that was pruned is sound with its checkpoint, and a gap without it or with a mere head', async () => {
    await fresh()
    const [head, pruned] = [await signed(8), await signed(8, 'pruned')]
    await run('delete from public.audit_log where tenant_id = $1 and position <= 8', [bob])
    assert.deepEqual(kinds(await judged()), ['gap'])
    assert.deepEqual(kinds(await judged([head])), ['gap'])
    assert.deepEqual(kinds(await judged([head, pruned])), [])
    await run('delete from public.audit_log where tenant_id = $1 and position = 9', [bob])
    assert.deepEqual(kinds(await judged([pruned])), ['gap'])
  })

  test('a log of which nothing is left but its checkpoint was cut off: pruning leaves the last entry', async () => {
    await fresh()
    const pruned = await signed(8, 'pruned')
    await run('delete from public.audit_log where tenant_id = $1', [bob])
    assert.deepEqual(kinds(await judged([pruned])), ['truncated'])
  })

  test('read from behind a checkpoint, what follows is held to it', async () => {
    await fresh()
    const pruned = await signed(8, 'pruned')
    await run('delete from public.audit_log where tenant_id = $1 and position <= 8', [bob])
    const after = async (): Promise<AuditVerdict> => await verifyLog({ tenant: bob, batches: rows(), anchors: [pruned], keys, from: 9n })
    assert.deepEqual(kinds(await after()), [])
    await run(`update public.audit_log set payload = replace(payload::text, 'read', 'reat')::json where tenant_id = $1 and position = 9`, [
      bob,
    ])
    assert.deepEqual(kinds(await after()), ['edited'])
    await run('delete from public.audit_log where tenant_id = $1', [bob])
    assert.deepEqual(kinds(await after()), ['truncated'])
  })

  test('the same entries are another chain for another tenant', () => {
    const entry = { position: 1n, payload: '{}' }
    assert.notDeepEqual(chainHash(chainStart(bob), entry), chainHash(chainStart(carol), entry))
  })
})
