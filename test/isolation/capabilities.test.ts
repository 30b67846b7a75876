// Capabilities: unguessable, short-lived, for one tenant, few. As bob, with somebody else's, with one that is no longer good.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { capabilityOf, Eve } from '../support/eve.ts'
import { hasOwnDatabase, isolation } from '../support/isolation.ts'

const read = ['select count(*)::int as count from notes']

describe('a capability', () => {
  test('that has expired is refused, and was good before', async (t) => {
    const here = await stage(t)
    const eve = await Eve.enter(here, t)
    const bob = await capabilityOf(here, 'bob')
    assert.equal((await eve.attack(read, bob)).code, undefined)
    await here.aliceIn(here.bob, `update partywall.capabilities set expires_at = clock_timestamp() where capability = $1`, [bob])
    assert.equal((await eve.attack(read, bob)).code, 'PW003')
    assert.equal((await eve.attack([`update notes set body = 'late'`], bob)).code, 'PW003')
  })

  test('that expires in the middle of a transaction is refused from the next statement on', async (t) => {
    const here = await stage(t)
    const eve = await Eve.enter(here, t)
    const bob = await capabilityOf(here, 'bob')
    await eve.client.query('begin')
    await eve.bind(bob)
    assert.equal(await eve.count(read[0]!), rowsPerTenant)
    await here.aliceIn(here.bob, `update partywall.capabilities set expires_at = clock_timestamp() where capability = $1`, [bob])
    await assert.rejects(eve.client.query(read[0]!), { code: 'PW003' })
    await eve.client.query('rollback')
  })

  test('that was revoked is refused at once, alone or with all of its tenant’s', async (t) => {
    const here = await stage(t)
    const eve = await Eve.enter(here, t)
    // In a database of one's own there is no gatekeeper; what it could revoke, the owner can.
    const revoker = await Eve.enter(here, t, { login: hasOwnDatabase ? 'migrator' : 'gatekeeper' })
    const [one, two, carols] = [await capabilityOf(here, 'bob'), await capabilityOf(here, 'bob'), await capabilityOf(here, 'carol')]
    // A login of bob's own is given the one that lives: there is no other to be left over.
    assert.equal(one === two, hasOwnDatabase)
    assert.equal((await eve.attack(read, one)).code, undefined)
    await revoker.client.query('select partywall.revoke($1::uuid[])', [[one]])
    assert.equal((await eve.attack(read, one)).code, 'PW002')
    const three = hasOwnDatabase ? await capabilityOf(here, 'bob') : two
    assert.equal((await eve.attack(read, three)).code, undefined)
    await revoker.client.query('select partywall.revoke_tenant($1)', [here.bob.id])
    assert.equal((await eve.attack(read, three)).code, 'PW002')
    const carolsEve = await Eve.enter(here, t, { of: here.carol })
    assert.equal((await carolsEve.attack(read, carols)).code, undefined)
    // The library gets a new one, and its caller is told nothing.
    assert.equal((await here.tenancy.run('bob', () => here.tenancy.query('select * from notes'))).rowCount, rowsPerTenant)
  })

  test('is 128 random bits, of which no two issued share a prefix', async (t) => {
    const here = await stage(t)
    const issued = await here.aliceIn<{ capability: string }>(
      here.bob,
      `select i.capability from generate_series(1, 200) as g, partywall.issue(array[$1]::uuid[], interval '1 minute', g::text) as i`,
      [here.bob.id],
    )
    assert.equal(new Set(issued.map(({ capability }) => capability.slice(0, 8))).size, 200)
    // Not a version-4 uuid, six of whose bits are known.
    assert.ok(new Set(issued.map(({ capability }) => capability[14])).size > 4)
  })
})

describe('bind(), for people and other languages:', () => {
  test('binds for a transaction and says whose it is; outside one it is forgotten at once', async (t) => {
    const here = await stage(t)
    const eve = await Eve.enter(here, t)
    const bob = await capabilityOf(here, 'bob')
    await eve.client.query('begin')
    assert.deepEqual((await eve.client.query('select partywall.bind($1) as tenant', [bob])).rows, [{ tenant: here.bob.id }])
    assert.equal(await eve.count(read[0]!), rowsPerTenant)
    await eve.client.query('commit')
    await assert.rejects(eve.client.query(read[0]!), { code: 'PW001' })
    await eve.client.query('select partywall.bind($1)', [bob])
    await assert.rejects(eve.client.query(read[0]!), { code: 'PW001' })
  })

  test('refuses a second tenant in one transaction, however the first was spelled, and inside a savepoint', async (t) => {
    const here = await stage(t)
    const eve = await Eve.enter(here, t)
    const [bob, carol] = [await capabilityOf(here, 'bob'), await capabilityOf(here, 'carol')]
    // Carol's is nothing in a database of bob's own, and another tenant's everywhere else: refused either way.
    const spellings = [bob, bob.toUpperCase(), `{${bob}}`, bob.replaceAll('-', '')]
    for (const spelling of spellings) {
      assert.equal(
        (await eve.attack([`select partywall.bind('${spelling}')`, `select partywall.bind('${carol}')`])).code,
        'PW007',
        spelling,
      )
      assert.equal(
        (await eve.attack([`select partywall.bind('${spelling}')`, `select partywall.bind('${bob}')`])).code,
        undefined,
        spelling,
      )
    }
    const inside = ['savepoint a', `select partywall.bind('${carol}')`]
    assert.equal((await eve.attack([`select partywall.bind('${bob}')`, ...inside])).code, 'PW007')
    // Nothing was bound by what was rolled back.
    const nothing = hasOwnDatabase ? 'PW002' : 'PW001'
    assert.equal((await eve.attack(['savepoint a', `select partywall.bind('${carol}')`, 'rollback to a', ...read])).code, nothing)
  })

  test('through the library, an injected bind() with a stolen capability of carol’s is refused', async (t) => {
    const here = await stage(t)
    const carol = await capabilityOf(here, 'carol')
    const steal = `with b as materialized (select partywall.bind($1) as tenant) select n.* from b, lateral (select * from notes where b.tenant is not null) as n`
    await assert.rejects(
      here.tenancy.run('bob', () => here.tenancy.query(steal, [carol])),
      { code: 'PW_WRONG_TENANT' },
    )
    assert.equal((await here.tenancy.run('carol', () => here.tenancy.query(steal, [carol]))).rowCount, rowsPerTenant)
  })

  test('known limit: full SQL and two stolen, living capabilities read two tenants of one database in one transaction', async (t) => {
    const here = await stage(t)
    const eve = await Eve.enter(here, t)
    const [bob, carol] = [await capabilityOf(here, 'bob'), await capabilityOf(here, 'carol')]
    await eve.client.query('begin')
    await eve.bind(bob)
    assert.equal(await eve.count(read[0]!), rowsPerTenant)
    await eve.bind(carol)
    const carols = read[0]!.replace('notes', nameOfCarolsNotes(here))
    if (hasOwnDatabase) await assert.rejects(eve.client.query(carols), { code: 'PW002' })
    else assert.equal(await eve.count(carols), rowsPerTenant)
    await eve.client.query('rollback')
  })
})

describe('issuing is bounded:', () => {
  async function issue(
    here: Stage,
    ids: readonly string[],
    ttl: string,
  ): Promise<readonly { capability: string | null; reason: string | null }[]> {
    return await here.aliceIn(here.bob, `select capability, reason from partywall.issue($1::uuid[], $2::interval, 'test')`, [ids, ttl])
  }

  test('a life of one second to one hour, and 1,000 tenants a call', async (t) => {
    const here = await stage(t)
    for (const ttl of ['0', '-1 second', '999 milliseconds', '1 hour 1 millisecond', '1 month', 'infinity']) {
      if (ttl === 'infinity' && (await serverMajor(here)) < 17) continue
      await assert.rejects(issue(here, [here.bob.id], ttl), { code: '22023' }, ttl)
    }
    for (const ttl of ['1 second', '1 hour']) assert.equal((await issue(here, [here.bob.id], ttl))[0]?.reason, null)
    await assert.rejects(
      issue(
        here,
        Array.from({ length: 1_001 }, () => here.bob.id),
        '1 minute',
      ),
      { code: '22023' },
    )
    assert.equal(
      (
        await issue(
          here,
          Array.from({ length: 1_000 }, () => here.bob.id),
          '1 minute',
        )
      ).length,
      1,
    )
  })

  test('1,024 live ones a tenant; what has expired makes room, and others are not touched', async (t) => {
    const here = await stage(t)
    await here.aliceIn(
      here.bob,
      `select i.* from generate_series(1, 1100) as g, partywall.issue(array[$1]::uuid[], interval '1 minute', 'flood ' || g) as i`,
      [here.bob.id],
    )
    const count = async () =>
      (
        await here.aliceIn<{ live: number }>(here.bob, 'select count(*)::int as live from partywall.capabilities where tenant_id = $1', [
          here.bob.id,
        ])
      )[0]?.live
    assert.equal(await count(), 1_024)
    assert.deepEqual(await issue(here, [here.bob.id], '1 minute'), [{ capability: null, reason: 'limit' }])
    await assert.rejects(
      here.tenancy.run('bob', () => here.tenancy.query('select 1')),
      { code: 'PW_CAPABILITY_LIMIT' },
    )
    assert.equal((await here.tenancy.run('carol', () => here.tenancy.query('select * from notes'))).rowCount, rowsPerTenant)
    await here.aliceIn(here.bob, `update partywall.capabilities set expires_at = clock_timestamp() where issued_to like 'flood %'`)
    assert.equal((await here.tenancy.run('bob', () => here.tenancy.query('select * from notes'))).rowCount, rowsPerTenant)
    assert.equal(await count(), 1)
  })

  test('an unknown tenant and a suspended one get none, and the rest of the call is served', async (t) => {
    const here = await stage(t)
    const unknown = '00000000-0000-7000-8000-000000000000'
    // In a database of one's own the others have no gate at all.
    const daves = hasOwnDatabase ? 'unknown' : 'closed'
    const rows = await here.aliceIn<{ tenant_id: string; reason: string | null }>(
      here.bob,
      `select tenant_id, reason from partywall.issue($1::uuid[], interval '1 minute', 'test')`,
      [[unknown, here.bob.id, here.dave.id]],
    )
    assert.deepEqual(
      new Map(rows.map((row) => [row.tenant_id, row.reason])),
      new Map([
        [unknown, 'unknown'],
        [here.bob.id, null],
        [here.dave.id, daves],
      ]),
    )
  })

  test('reap() takes what has expired, as many as asked, and nothing that lives', async (t) => {
    const here = await stage(t)
    const inBobs = (text: string, values: readonly unknown[]) => here.aliceIn(here.bob, text, values)
    const neighbour = '00000000-0000-7000-8000-000000000000'
    await inBobs(`select partywall.set_gate($1, 'open')`, [neighbour])
    await inBobs(`select i.* from generate_series(1, 10) as g, partywall.issue(array[$1, $2]::uuid[], interval '1 minute', g::text) as i`, [
      here.bob.id,
      neighbour,
    ])
    await inBobs('update partywall.capabilities set expires_at = clock_timestamp() where tenant_id = $1', [here.bob.id])
    const { client: gatekeeper } = await Eve.enter(here, t, { login: hasOwnDatabase ? 'migrator' : 'gatekeeper' })
    const reap = async (max: number) => Number((await gatekeeper.query('select partywall.reap($1) as gone', [max])).rows[0].gone)
    assert.equal(await reap(4), 4)
    assert.equal(await reap(1_000_000), 6)
    assert.equal(await reap(100), 0)
    assert.deepEqual(await inBobs('select count(*)::int as live from partywall.capabilities where tenant_id = $1', [neighbour]), [
      { live: 10 },
    ])
  })
})

/** As bob's neighbour says it, where there is one. */
function nameOfCarolsNotes(here: Stage): string {
  return isolation === 'schema' ? `${here.carol.placement.schema}.notes` : 'notes'
}

async function serverMajor(here: Stage): Promise<number> {
  const [row] = await here.aliceInCatalog<{ major: number }>(`select current_setting('server_version_num')::int / 10000 as major`)
  return row!.major
}
