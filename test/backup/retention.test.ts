import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openBackups } from '../../src/backup/fleet-backups.ts'
import { checkedRetention, keptBackups, type RetentionRule } from '../../src/backup/retention.ts'
import { everyMs, isDue, scheduleOf } from '../../src/backup/schedule.ts'
import { MemoryCatalog } from '../../src/core/memory-catalog.ts'
import { ConfigurationError } from '../../src/errors.ts'
import { memoryStore } from '../../src/objects/memory-store.ts'
import { ManualClock } from '../support/manual-clock.ts'

const at = (text: string) => ({ id: text, createdAt: new Date(`${text}Z`) })
/** One each day at noon: January to March 2026, and one more in the evening of the last day. */
const daily = [
  ...Array.from({ length: 90 }, (_, day) => new Date(Date.UTC(2026, 0, 1 + day, 12)).toISOString().slice(0, 16)),
  '2026-03-31T20:00',
].map(at)

const kept = (rule: RetentionRule, backups = daily) => keptBackups(backups, rule).map(({ id }) => id)

describe('retention', () => {
  test('keeps the newest few', () => {
    assert.deepEqual(kept({ last: 2 }), ['2026-03-31T20:00', '2026-03-31T12:00'])
  })

  test('keeps the newest of each day, week and month, as many as are asked for', () => {
    assert.deepEqual(kept({ daily: 3 }), ['2026-03-31T20:00', '2026-03-30T12:00', '2026-03-29T12:00'])
    // 29 March is a Sunday, and ends its week.
    assert.deepEqual(kept({ weekly: 3 }), ['2026-03-31T20:00', '2026-03-29T12:00', '2026-03-22T12:00'])
    assert.deepEqual(kept({ monthly: 12 }), ['2026-03-31T20:00', '2026-02-28T12:00', '2026-01-31T12:00'])
    assert.deepEqual(kept({ yearly: 2 }), ['2026-03-31T20:00'])
  })

  test('keeps what any of its rules keeps, and says why', () => {
    const found = keptBackups(daily, { last: 1, daily: 2, monthly: 2 })
    assert.deepEqual(found, [
      { id: '2026-03-31T20:00', because: ['last', 'daily', 'monthly'] },
      { id: '2026-03-30T12:00', because: ['daily'] },
      { id: '2026-02-28T12:00', because: ['monthly'] },
    ])
  })

  test('days without a backup do not count: three days are three days on which there is one', () => {
    assert.deepEqual(kept({ daily: 3 }, [at('2026-01-01T00:00'), at('2026-02-01T00:00'), at('2026-03-01T00:00')]).length, 3)
  })

  test('a rule that names nothing keeps everything', () => {
    assert.equal(kept({}).length, daily.length)
  })

  test('never lets go of the last good one, however strict the rule', () => {
    assert.deepEqual(keptBackups(daily, { last: 0 }), [{ id: '2026-03-31T20:00', because: ['last good'] }])
  })

  test('one that is known to be broken stands for nothing: the next older good one does', () => {
    const broken = new Set(['2026-03-31T20:00', '2026-03-31T12:00'])
    const found = keptBackups(daily, { last: 1, monthly: 1 }, ({ id }) => !broken.has(id))
    assert.deepEqual(found, [{ id: '2026-03-30T12:00', because: ['last', 'monthly'] }])
    assert.deepEqual(
      keptBackups(daily, { last: 0 }, ({ id }) => !broken.has(id)),
      [{ id: '2026-03-30T12:00', because: ['last good'] }],
    )
  })

  test('refuses a rule that cannot be', () => {
    for (const rule of [{ hourly: 1 }, { last: -1 }, { daily: 1.5 }, { daily: '3' }, null]) {
      assert.throws(() => checkedRetention(rule), ConfigurationError)
    }
    assert.deepEqual(checkedRetention({ last: 3, daily: undefined }), { last: 3, daily: undefined })
  })
})

describe('a schedule', () => {
  const noon = Date.parse('2026-01-01T12:00:00Z')

  test('is due when there never was a backup, and when its time has passed', () => {
    assert.equal(isDue(undefined, '1d', noon), true)
    assert.equal(isDue(new Date(noon - 3_600_000), '1d', noon), false)
    assert.equal(isDue(new Date(noon - 24 * 3_600_000), '1d', noon), true)
  })

  test('that is run by a cron of the same rhythm makes one each time, though the last took a moment to begin', () => {
    assert.equal(isDue(new Date(noon - 3_600_000 + 20_000), '1h', noon), true)
    assert.equal(isDue(new Date(noon - 3_000_000), '1h', noon), false)
  })

  test('is the first that is for the tenant’s plan', () => {
    const schedules = [{ plans: ['enterprise'], every: '1h' }, { every: '1d' }]
    assert.equal(scheduleOf('enterprise', schedules)?.every, '1h')
    assert.equal(scheduleOf('free', schedules)?.every, '1d')
    assert.equal(scheduleOf('free', [{ plans: [], every: '1d' }]), undefined)
  })

  test('takes minutes, hours, days and weeks, and refuses everything else', () => {
    assert.deepEqual(['30m', '6h', '1d', '2w'].map(everyMs), [1_800_000, 21_600_000, 86_400_000, 1_209_600_000])
    for (const every of ['', '1', '0h', '-1d', '1y', '1 d', '1d2h', '1.5h']) assert.throws(() => everyMs(every), ConfigurationError)
  })
})

describe('a keeper of backups', () => {
  test('looks for what is due once a minute at most, and not at all when nothing is scheduled', async () => {
    const clock = new ManualClock()
    let looks = 0
    const catalog = Object.assign(new MemoryCatalog({ clock }), {
      list: async () => {
        looks += 1
        return { tenants: [], next: undefined }
      },
    })
    const parts = { clock, catalog } as unknown as Parameters<typeof openBackups>[1]
    const keeper = openBackups({ store: memoryStore(), schedule: [{ every: '1h' }] }, parts)?.keeper()
    const { signal } = new AbortController()
    await keeper?.(signal)
    await keeper?.(signal)
    assert.equal(looks, 1)
    clock.advance(60_000)
    await keeper?.(signal)
    assert.equal(looks, 2)
    assert.equal(openBackups({ store: memoryStore() }, parts)?.keeper(), undefined)
    assert.equal(openBackups(undefined, parts), undefined)
    assert.throws(() => openBackups({ store: memoryStore(), schedule: [{ every: 'now' }] }, parts), ConfigurationError)
  })
})
