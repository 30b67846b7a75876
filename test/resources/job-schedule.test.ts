import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigurationError, InvalidInputError } from '../../src/errors.ts'
import { nextTime } from '../../src/resources/jobs/job-schedule.ts'
import { tenantJob } from '../../src/resources/jobs/tenant-job.ts'
import { anything } from '../support/schemas.ts'

const nightly = { cron: '0 2 * * *', timeZone: 'Europe/Berlin', jitterMs: 0 }

test('a schedule is by the clock of its zone, in summer and in winter', () => {
  assert.equal(nextTime(nightly, 'x', new Date('2026-07-01T12:00:00Z')).toISOString(), '2026-07-02T00:00:00.000Z')
  assert.equal(nextTime(nightly, 'x', new Date('2026-12-01T12:00:00Z')).toISOString(), '2026-12-02T01:00:00.000Z')
})

test('the hour that the clock skips does not lose the night, and the one that comes twice does not double it', () => {
  const half = { ...nightly, cron: '30 2 * * *' }
  const spring = nextTime(half, 'x', new Date('2026-03-28T12:00:00Z'))
  assert.equal(spring.toISOString().slice(0, 10), '2026-03-29')
  const autumn = nextTime(half, 'x', new Date('2026-10-24T12:00:00Z'))
  const next = nextTime(half, 'x', autumn)
  assert.equal(autumn.toISOString().slice(0, 10), '2026-10-25')
  assert.equal(next.toISOString().slice(0, 10), '2026-10-26')
})

test('the jitter spreads tenants, and each keeps its moment', () => {
  const spread = { ...nightly, jitterMs: 3_600_000 }
  const after = new Date('2026-12-01T12:00:00Z')
  const times = Array.from({ length: 50 }, (_, i) => nextTime(spread, `tenant ${i}`, after).getTime())
  const from = Date.parse('2026-12-02T01:00:00Z')
  assert.ok(times.every((time) => time >= from && time < from + 3_600_000))
  assert.ok(new Set(times).size > 45)
  const [first] = times
  assert.equal(nextTime(spread, 'tenant 0', new Date(first!)).getTime(), first! + 86_400_000)
  // A moment before its own: the same night, not the next.
  assert.equal(nextTime(spread, 'tenant 0', new Date(first! - 1)).getTime(), first)
})

test('what is no schedule is refused', () => {
  for (const bad of [{ cron: 'at noon' }, { cron: '0 2 31 2 *' }, { timeZone: 'Mars/Olympus' }]) {
    assert.throws(() => nextTime({ ...nightly, ...bad }, 'x', new Date()), InvalidInputError)
  }
})

test('a job has a name, a schema and bounds that can be', () => {
  const handler = () => {}
  assert.equal(tenantJob('tenant-report', anything(), handler).attemptsMax, 10)
  for (const name of ['', 'Report', 'a b', 'a--b', '-a', 'a'.repeat(101)]) {
    assert.throws(() => tenantJob(name, anything(), handler), ConfigurationError)
  }
  assert.throws(() => tenantJob('a', anything(), handler, { attemptsMax: 0 }), ConfigurationError)
  // What a caller without types may pass.
  assert.throws(() => tenantJob('a', {} as never, handler), ConfigurationError)
})
