import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TenantHint } from '../../src/core/hints.ts'
import type { Identity } from '../../src/core/identity.ts'
import { resolveTenant } from '../../src/core/resolver.ts'
import { parseTenantRef } from '../../src/core/tenant.ts'
import {
  HintMismatchError,
  IdentityRequiredError,
  type TenancyError,
  TenantNotFoundError,
  TenantOffboardingError,
  TenantRequiredError,
  TenantSuspendedError,
} from '../../src/errors.ts'
import { bob, carol, dave, frank, memberOf, nobodysId, type WatchedDoor, watchedDoor } from '../support/door-cast.ts'

const hint = (ref: string, source: TenantHint['source'] = 'header'): TenantHint => ({ source, lookup: parseTenantRef(ref) })
const resolve = (door: WatchedDoor, identity: Identity | undefined, ...hints: TenantHint[]) =>
  resolveTenant({ identity, hints, tenants: door.tenants, auditTrail: door.auditTrail, requestId: 'r1' })

async function refused(door: WatchedDoor, identity: Identity | undefined, ...hints: TenantHint[]): Promise<TenancyError> {
  return resolve(door, identity, ...hints).then(
    () => assert.fail('it was let in'),
    (error: TenancyError) => error,
  )
}

test('the one membership is the tenant, without a hint and with any that agrees', async () => {
  const door = watchedDoor()
  assert.equal(await resolve(door, memberOf('bob')), bob)
  assert.equal(await resolve(door, memberOf(bob.id), hint('bob')), bob)
  assert.equal(await resolve(door, memberOf('bob'), hint(bob.id), hint('bob', 'host')), bob)
  assert.equal(await resolve(door, memberOf('bob'), { source: 'host', lookup: { kind: 'domain', domain: 'bob.example.org' } }), bob)
  assert.deepEqual(door.audited, [])
})

test('of several memberships a hint selects one; without it the request names no tenant', async () => {
  const door = watchedDoor()
  assert.equal(await resolve(door, memberOf('bob', 'carol'), hint('carol')), carol)
  assert.ok((await refused(door, memberOf('bob', 'carol'))) instanceof TenantRequiredError)
  assert.ok((await refused(door, memberOf())) instanceof TenantRequiredError)
})

test('a hint without an identity is nothing', async () => {
  const door = watchedDoor()
  assert.ok((await refused(door, undefined, hint('bob'))) instanceof IdentityRequiredError)
  assert.deepEqual(door.lookups, [])
})

test('unknown, not yours, and suspended but not yours are one answer for one amount of work', async () => {
  const seen = new Set<string>()
  for (const ref of ['carol', 'dave', 'frank', 'unheard-of']) {
    const door = watchedDoor()
    const error = await refused(door, memberOf('bob'), hint(ref))
    assert.ok(error instanceof TenantNotFoundError)
    seen.add(JSON.stringify([error.message, error.publicMessage, error.status, error.code, door.lookups.length, door.audited.length]))
  }
  assert.equal(seen.size, 1)
  const ids = new Set<string>()
  for (const id of [carol.id, dave.id, nobodysId]) ids.add((await refused(watchedDoor(), memberOf('bob'), hint(id))).message)
  assert.equal(ids.size, 1)
})

test('guesses cannot be told apart by pairing them: two hints that are not yours are a 404, whether they agree or not', async () => {
  for (const [first, second] of [
    ['carol', carol.id],
    ['carol', dave.id],
    ['carol', nobodysId],
    ['unheard-of', nobodysId],
  ] as const) {
    const door = watchedDoor()
    assert.ok((await refused(door, memberOf('bob'), hint(first), hint(second, 'host'))) instanceof TenantNotFoundError)
    assert.equal(door.lookups.length, 2)
  }
})

test('a hint that is yours beside one that is not is refused and audited, whether the other exists or not', async () => {
  for (const other of ['carol', 'dave', 'unheard-of']) {
    const door = watchedDoor()
    assert.ok((await refused(door, memberOf('bob'), hint('bob'), hint(other, 'host'))) instanceof HintMismatchError)
    assert.equal(door.audited.length, 1)
    assert.equal(door.audited[0]?.outcome, 'refused')
    assert.equal(door.audited[0]?.reason, 'PW_HINT_MISMATCH')
    assert.equal(door.audited[0]?.requestId, 'r1')
    assert.equal(door.audited[0]?.tenantId, undefined)
  }
})

test('two hints that are both yours still must agree', async () => {
  assert.ok((await refused(watchedDoor(), memberOf('bob', 'carol'), hint('bob'), hint('carol', 'host'))) instanceof HintMismatchError)
})

test('members alone learn that their tenant is suspended or closing', async () => {
  const door = watchedDoor()
  assert.ok((await refused(door, memberOf(dave.id))) instanceof TenantSuspendedError)
  assert.ok((await refused(door, memberOf(frank.id), hint('frank'))) instanceof TenantOffboardingError)
})

test('a refusal stands when it cannot be audited', async () => {
  const door = watchedDoor()
  const broken = { ...door, auditTrail: { record: () => Promise.reject(new Error('the disk is full')) } }
  const error = await refused(broken, memberOf('bob'), hint('carol'))
  assert.ok(error instanceof TenantNotFoundError)
  assert.ok(error.cause instanceof Error)
})

test('a finder that answers with another tenant is not believed', async () => {
  const door = watchedDoor()
  const confused = { ...door, tenants: { find: async () => carol } }
  assert.ok((await refused(confused, memberOf('bob', 'carol'), hint('bob'))) instanceof TenantNotFoundError)
})
