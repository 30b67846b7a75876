// Facts for an evidence report, without a database: all of them seen and good, unless a test says otherwise.

import type { PlacementFacts } from '../../src/core/placement-adapter.ts'
import type { Tenant } from '../../src/core/tenant.ts'
import type { EvidenceFacts, Seen } from '../../src/evidence/facts.ts'

/** When everything was looked at. */
export const seenAt = new Date('2026-05-04T10:00:00.000Z')

/** When the report is made: later. */
export const about = { now: new Date('2026-05-04T10:00:07.000Z'), since: new Date('2026-02-03T10:00:00.000Z'), partywall: '0.0.0-test' }

export const acme = {
  id: '0190a1b2-0000-7000-8000-000000000001',
  slug: 'acme',
  name: 'Acme',
  plan: 'team',
  region: 'eu',
  placement: { isolation: 'pooled', server: 'main', database: 'main', schema: 'app' },
  status: 'active',
} as unknown as Tenant

export function seen<T>(value: T): Seen<T> {
  return { kind: 'seen', value, at: seenAt }
}

/** Every part, seen. */
export function goodFacts(over: Partial<EvidenceFacts> = {}): EvidenceFacts {
  const table = { name: 'app.notes', rows: 5 }
  return {
    tenant: acme,
    place: seen({
      facts: {
        placement: acme.placement,
        region: 'eu',
        version: '0001',
        gate: 'open',
        tables: [{ ...table, bytes: 8_192 }],
      } satisfies PlacementFacts,
      findings: [],
      server: { name: 'main', region: 'eu' },
      besides: { inDatabase: 2, onServer: 3 },
    }),
    doctor: seen({ checks: ['row-security'], findings: [], unseen: ['the settings: not shown to us'] }),
    neighbour: seen({ tables: [{ ...table, attempts: [{ what: 'read every row', outcome: 'nothing', got: '0 rows' }] }] }),
    canaries: seen([]),
    roles: seen([{ role: 'postgres', canLogIn: true, path: 'superuser' }]),
    audit: seen({
      entries: 2,
      byAction: { select: 2 },
      refused: 0,
      actors: 1,
      verification: { isIntact: true, details: ['Signed up to row 2.'] },
    }),
    grants: seen([]),
    limits: seen({ plan: 'team', weight: 1, statementTimeoutMs: 30_000, lockTimeoutMs: 10_000 }),
    backups: seen([{ id: 'b1', at: seenAt, verifiedAt: null, bytes: 1 }]),
    moves: seen([{ from: 'pooled on main', to: 'schema on main', state: 'done', at: seenAt }]),
    attacks: seen([{ name: 'read.every-row', door: 'SQL', outcome: 'refused' }]),
    ...over,
  }
}

/** No part of it: as `not_present`, or as `not_seen`. */
export function noFacts(kind: 'not_present' | 'not_seen'): EvidenceFacts {
  const parts = Object.keys(goodFacts()).filter((part) => part !== 'tenant')
  return { ...Object.fromEntries(parts.map((part) => [part, { kind, why: 'a test' }])), tenant: acme } as unknown as EvidenceFacts
}
