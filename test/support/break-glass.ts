// Staff for tests: ada asks, grace approves, mallory has a key that nobody pinned; and a tenancy that lets them in.

import { type KeyObject, randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { AuditEvent, AuditTrail } from '../../src/core/audit-trail.ts'
import type { Grant } from '../../src/core/break-glass.ts'
import type { Clock } from '../../src/core/clock.ts'
import { newStaffKey, parsePrivateKey } from '../../src/core/staff.ts'
import type { Tenant } from '../../src/core/tenant.ts'
import { BreakGlass, type GrantWish } from '../../src/operations/break-glass.ts'
import { Staff } from '../../src/operations/staff.ts'
import { PostgresBreakGlassStore } from '../../src/postgres/break-glass-store.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import type { TenancyOptions } from '../../src/tenancy-options.ts'
import { type Stage, stage } from './cast.ts'

export interface Person {
  readonly staff: string
  /** PEM. */
  readonly key: string
  readonly publicKey: string
}

/** What a test does to the world. */
interface World {
  /** Set, the audit trail fails so. */
  trailFailure: Error | undefined
  /** Milliseconds by which this process's clock is ahead. */
  aheadMs: number
}

export interface Emergency extends Stage {
  readonly breakGlass: BreakGlass
  readonly staff: Staff
  readonly store: PostgresBreakGlassStore
  readonly ada: Person
  readonly grace: Person
  /** Looks up secrets as the tenancy does: pins of staff among them. */
  readonly pins: Map<string, string>
  readonly events: AuditEvent[]
  readonly world: World
  /** A grant for bob, approved by grace. */
  granted(wish?: Partial<GrantWish>): Promise<Grant>
  /** A request of ada's. */
  requested(wish?: Partial<GrantWish>): Promise<Grant>
}

export async function emergency(t: TestContext): Promise<Emergency> {
  return await emergencyOn(await stage(t), t)
}

/** The same on a stage that is there; its tenancy is another, which closes with the test. */
export async function emergencyOn(set: Stage, t: TestContext, options: Partial<TenancyOptions> = {}): Promise<Emergency> {
  const pins = new Map<string, string>()
  const events: AuditEvent[] = []
  const world: World = { trailFailure: undefined, aheadMs: 0 }
  const auditTrail: AuditTrail = {
    record: async (event) => {
      if (world.trailFailure !== undefined) throw world.trailFailure
      events.push(event)
    },
  }
  const clock: Clock = { now: () => Date.now() + world.aheadMs, monotonic: () => performance.now() }
  const reader = { get: async (name: string) => pins.get(name) ?? (await set.access.secrets?.get(name)) }
  const tenancy: Tenancy = await createTenancy({
    ...set.access,
    secrets: reader,
    auditTrail,
    clock,
    audit: { onMissing: () => {} },
    ...options,
  })
  t.after(() => tenancy.close())
  const catalog = new ControlPool({ connectionString: set.access.catalog, applicationName: 'test-reader', connectionsMax: 1 })
  const writer = new ControlPool({ connectionString: set.access.admin!, applicationName: 'test-writer', connectionsMax: 1 })
  t.after(async () => {
    await catalog.close()
    await writer.close()
  })
  const store = new PostgresBreakGlassStore({ reader: catalog, writer })
  const secrets = {
    kind: 'memory',
    get: reader.get,
    put: async (name: string, value: string) => void pins.set(name, value),
    delete: async (name: string) => void pins.delete(name),
    list: async () => [...pins.keys()],
  }
  const staff = new Staff({ store, secrets, auditTrail })
  const breakGlass = new BreakGlass({
    store,
    secrets,
    auditTrail,
    clock,
    revokeCapabilities: async ({ id, tenantId }) => void (await set.aliceIn({ id: tenantId }, 'select partywall.revoke_grant($1)', [id])),
  })
  const [ada, grace] = [person('ada'), person('grace')]
  for (const { staff: id, publicKey } of [ada, grace]) await staff.add({ id, name: id, publicKey }, operator)
  const made: Emergency = {
    ...set,
    tenancy,
    breakGlass,
    staff,
    store,
    ada,
    grace,
    pins,
    events,
    world,
    requested: async (wish) => await breakGlass.request({ ...usual(set.bob), ...wish }, ada),
    granted: async (wish) => await breakGlass.approve((await made.requested(wish)).id, grace),
  }
  return made
}

export const operator = { kind: 'staff', id: 'operator' } as const

export function usual({ id }: Tenant): GrantWish {
  return { tenantId: id, reason: 'The invoice of May is missing', ticket: 'SUP-4711', minutes: 30 }
}

export function person(staff: string): Person {
  const { privateKey, publicKey } = newStaffKey()
  return { staff, key: privateKey, publicKey }
}

export function keyOf({ key }: Person): KeyObject {
  return parsePrivateKey(key)
}

export function anyId(): string {
  return randomUUID()
}
