// Grants in the words of a report: who decided is never said of one on which nobody did, and what was done comes from the tenant's log.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Grant } from '../../src/core/break-glass.ts'
import { grantsSaid } from '../../src/evidence/grant-words.ts'
import { type GrantRecords, grantsSeen, grantsSince } from '../../src/evidence/history.ts'
import { lasting } from '../../src/evidence/words.ts'

const day = (hour: number, minute = 0): Date => new Date(Date.UTC(2026, 4, 4, hour, minute))

function grant(over: Partial<Grant>): Grant {
  const asked = { id: 'g', requestedBy: 'ada', requestedAt: day(9), reason: 'The invoice is missing', ticket: 'T-1', scope: 'read_only' }
  return { ...asked, state: 'requested', ...over } as Grant
}

const approved = { decidedBy: 'grace', decidedAt: day(10), expiresAt: day(10, 30) } as const
const trail = new Map([['g', { uses: 1, statements: 2, between: { first: day(10, 1), last: day(10, 3) } }]])
const log = new Map([['g', { uses: 1, statements: 2, refused: 1, between: { first: day(10, 1), last: day(10, 4) } }]])
const unused: GrantRecords = { trail: new Map(), log: undefined }

function lineOf(over: Partial<Grant>, records: GrantRecords = unused): string {
  return grantsSaid(grantsSeen([grant(over)], records)).details![0]!.replace('ada asked to read: The invoice is missing [T-1]; ', '')
}

test('who decided is told of each state, and nobody where nobody did', () => {
  assert.equal(lineOf({ state: 'requested' }), 'nobody has decided yet, and so it opens nothing')
  assert.equal(lineOf({ state: 'expired', endedAt: day(23) }), 'nobody decided in time, and so it opened nothing')
  assert.equal(lineOf({ state: 'revoked', endedAt: day(10) }), 'taken back before anybody decided, and so it opened nothing')
  assert.equal(lineOf({ state: 'denied', decidedBy: 'grace', endedAt: day(10) }), 'denied by grace')
  assert.equal(lineOf({ state: 'approved', ...approved }), 'approved by grace; not used yet; good until 2026-05-04T10:30:00.000Z')
  assert.equal(
    lineOf({ state: 'expired', ...approved, endedAt: day(11) }),
    'approved by grace; never used; over since 2026-05-04T10:30:00.000Z',
  )
  // What stands in the catalog and nobody signed is not made nicer.
  assert.match(lineOf({ state: 'open', openedAt: day(10) }), /^open, and decided by nobody; used from /)
})

test('of one that was used it is told how often, how long and with how many statements, as the trail and the tenant’s log have it', () => {
  const open = { state: 'open', openedAt: day(10, 1), ...approved } as const
  const used = (line: string): string =>
    line.replace(/^approved by grace; used from 2026-05-04T10:01:00\.000Z, (.*); good until 2026-05-04T10:30:00\.000Z$/, '$1')
  const inTrail = '2 statements in the operator’s audit trail'
  assert.equal(
    used(lineOf(open, { trail, log })),
    `1 time, 3 minutes 0 seconds from the first record to the last: ${inTrail}; 2 in your own log, of which 1 refused`,
  )
  const short = `1 time, 2 minutes 0 seconds from the first record to the last: ${inTrail}`
  assert.equal(used(lineOf(open, { trail, log: undefined })), `${short}; you have no log of your own`)
  // A log in which it is missing does not pass for one that agrees.
  assert.equal(used(lineOf(open, { trail, log: new Map() })), `${short}; 0 in your own log`)
  assert.equal(used(lineOf(open)), 'and nothing of it is recorded')
  assert.match(lineOf({ ...open, state: 'ended', endedAt: day(10, 5) }, { trail, log }), /; given back 2026-05-04T10:05:00.000Z$/)
  assert.match(lineOf({ ...open, state: 'revoked', endedAt: day(10, 5) }, { trail, log }), /; taken back 2026-05-04T10:05:00.000Z$/)
})

test('the sentence counts what was decided, and says of an approval only where there was one', () => {
  const refused = grantsSaid(grantsSeen([grant({ state: 'denied', decidedBy: 'grace' }), grant({})], unused)).text
  assert.match(refused, /2 times in this time: 0 approved, 1 denied, 1 without a decision\. None was used\.$/)
  const open = { state: 'open', openedAt: day(10, 1), ...approved } as const
  const used = grantsSaid(grantsSeen([grant(open), grant({ ...open, id: 'h' })], { trail, log })).text
  assert.match(used, /2 were used: 2 statements recorded before they were sent\. Each approval is signed by somebody else than who asked/)
})

test('those are told of that were asked for since, or were still good then', () => {
  const old = grant({ ...approved, state: 'expired' })
  assert.equal(grantsSince([old], day(10, 30)).length, 1)
  assert.equal(grantsSince([old], day(10, 31)).length, 0)
  assert.equal(grantsSince([grant({})], day(9)).length, 1)
  assert.equal(grantsSince([grant({})], day(9, 1)).length, 0)
})

test('how long something took is said in the two units that matter', () => {
  const told = [0, 400, 1_000, 41_000, 192_000, 7_500_000].map(lasting)
  assert.deepEqual(told, [
    'less than a second',
    'less than a second',
    '1 second',
    '41 seconds',
    '3 minutes 12 seconds',
    '2 hours 5 minutes',
  ])
})
