// The same attacks from three places: injected through the library as bob, and with full SQL and the app's own login, without a
// capability and with bob's. Leaks are judged by what was shown and by alice's ground truth, never by a label on a row.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { attacks } from '../support/attacks.ts'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { capabilityOf, Eve, fingerprint, type Loot } from '../support/eve.ts'

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
    await here.alice('analyze app.notes')
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
      assert.equal((await eve.attack(['select * from app.countries'])).code, undefined)
      assert.equal((await eve.attack(['select * from app.notes'])).code, 'PW001')
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
        assert.equal((await eve.attack(['select * from app.notes'])).code, 'PW001')
        const own = await eve.attack(['select count(*)::int as count from app.notes'], capability)
        assert.equal(own.code, undefined)
        assert.match(own.text, /"count":5\b/)
      })
    }
  })
})
