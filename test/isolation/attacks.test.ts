// The same attacks from three places: injected through the library as bob, and with full SQL and the app's own login, without a
// capability and with bob's. Leaks are judged by what was shown and by alice's ground truth, never by a label on a row.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { attacks } from '../support/attacks.ts'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { capabilityOf, Eve, fingerprint, type Loot } from '../support/eve.ts'
import { isolation } from '../support/isolation.ts'

let here: Stage
let eve: Eve
let capability: string
let carolsTruth: string

/** Named before carol has an id. */
const names = attacks('…').map(({ name }) => name)
const attack = (name: string) => attacks(here.carol.id)[names.indexOf(name)]!

describe('eve', () => {
  before(async () => {
    here = await stage()
    await here.alice('analyze notes')
    eve = await Eve.enter(here)
    capability = await capabilityOf(here, 'bob', 3_600_000)
    carolsTruth = await fingerprint(here, here.carol.id)
  })
  after(async () => {
    await eve.leave()
    await here.tenancy.close()
  })

  /** Nothing of carol's (or of dave's) was shown, and nothing of hers has changed. */
  async function nothingCrossed(loot: Loot): Promise<void> {
    assert.doesNotMatch(loot.text, /secret of (carol|dave)|(carol|dave)''?s (note|folder)/)
    assert.equal(await fingerprint(here, here.carol.id), carolsTruth)
  }

  describe('injected through the library as bob:', () => {
    for (const name of names) {
      test(name, async () => {
        const loot = await inject(attack(name).statements)
        await nothingCrossed(loot)
        const { rows } = await here.tenancy.run('bob', () => here.tenancy.query('select * from notes'))
        assert.equal(rows.length, rowsPerTenant)
        const hers = await here.tenancy.run('carol', () => here.tenancy.query<{ body: string }>('select body from notes'))
        assert.deepEqual(new Set(hers.rows.map((row) => row.body)), new Set(['secret of carol']))
      })
    }

    async function inject(statements: readonly string[]): Promise<Loot> {
      const shown: unknown[] = []
      try {
        for (const text of statements) shown.push((await here.tenancy.run('bob', () => here.tenancy.query(text))).rows)
        return { text: JSON.stringify(shown), code: undefined }
      } catch (error) {
        shown.push((error as Error).message, (error as { publicMessage?: string }).publicMessage)
        return { text: JSON.stringify(shown), code: (error as { code?: string }).code }
      }
    }
  })

  describe('with full SQL and no capability:', () => {
    for (const name of names) {
      test(name, async () => {
        const loot = await eve.attack(attack(name).statements)
        await nothingCrossed(loot)
        assert.doesNotMatch(loot.text, /secret of bob/)
      })
    }
    test('and it was not for want of rows, nor of a connection', async () => {
      assert.equal((await eve.attack(['select * from countries'])).code, undefined)
      assert.equal((await eve.attack(['select * from notes'])).code, 'PW001')
    })
  })

  describe('with full SQL and bob’s own capability:', () => {
    for (const name of names) {
      test(name, async () => {
        const { statements, code } = attack(name)
        const loot = await eve.attack(statements, capability)
        await nothingCrossed(loot)
        if (code !== undefined) assert.equal(loot.code, code, loot.text)
        // Nor did it leave anything behind in the session.
        assert.equal((await eve.attack(['select * from notes'])).code, 'PW001')
        const own = await eve.attack(['select count(*)::int as count from notes'], capability)
        assert.equal(own.code, undefined)
        assert.match(own.text, /"count":5\b/)
      })
    }
  })

  describe('with the login in hand,', () => {
    test('bob’s opens no other house: neither carol’s, nor the catalog’s, nor with carol’s capability', async (t) => {
      const carols = await capabilityOf(here, 'carol')
      if (isolation === 'pooled' || isolation === 'schema') {
        // One login serves both houses: what it says for carol needs carol's capability.
        const there = await Eve.enter(here, t, { of: here.carol })
        assert.doesNotMatch((await there.attack(['select * from notes'], capability)).text, /secret of (carol|dave)/)
        assert.equal((await there.attack(['select * from notes'])).code, 'PW001')
        assert.match((await there.attack(['select * from notes'], carols)).text, /secret of carol/)
        return
      }
      const carolsDatabase = new URL(here.placeOf(here.carol).app).pathname
      const catalog = new URL(here.database.urls.app)
      const own = new URL(here.placeOf(here.bob).app)
      const bobs = { user: own.username, password: own.password }
      for (const [host, port, database] of [
        [own.hostname, own.port, carolsDatabase],
        [catalog.hostname, catalog.port, catalog.pathname],
      ]) {
        const client = new pg.Client({ host, port: Number(port), database: database!.slice(1), ...bobs })
        // On another server there is not even such a login.
        await assert.rejects(client.connect(), {
          code: isolation === 'server' && host === catalog.hostname && port === catalog.port ? '28P01' : '42501',
        })
      }
      // Nor does the application's shared login open a house of one's own.
      const app = new URL(here.database.urls.app)
      const shared = new pg.Client({
        host: own.hostname,
        port: Number(own.port),
        database: own.pathname.slice(1),
        user: app.username,
        password: app.password,
      })
      await assert.rejects(shared.connect(), { code: '42501' })
      // And carol's capability is nothing here.
      assert.equal((await eve.attack(['select * from notes'], carols)).code, 'PW002')
    })

    test('a login of bob’s own is given bob’s capability, and asks for nobody else’s', async () => {
      const ask = `select tenant_id from partywall.issue_own(interval '1 minute', 'eve')`
      const loot = await eve.attack([ask])
      if (here.placeOf(here.bob).login === 'partywall_app') return assert.equal(loot.code, '42501')
      assert.match(loot.text, new RegExp(here.bob.id))
      assert.equal(
        (await eve.attack([`insert into partywall.logins (login, tenant_id) values (current_user, '${here.carol.id}')`])).code,
        '42501',
      )
    })
  })
})
