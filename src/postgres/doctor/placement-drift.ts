// Placements that drifted: what each tenant's place itself says of it, beside what the catalog has. One look a tenant, so it is asked for.

import type { Catalog } from '../../core/catalog.ts'
import type { DoctorEvent } from '../../core/doctor-event.ts'
import { type DoctorLevel, type DoctorPlace, findingKey } from '../../core/doctor-finding.ts'
import { placementDrift } from '../../core/doctor-own-rules.ts'
import type { Isolation } from '../../core/placement.ts'
import type { PlacementAdapter, PlacementFinding } from '../../core/placement-adapter.ts'
import type { Tenant, TenantId } from '../../core/tenant.ts'
import type { ControlConnection } from '../control-pool.ts'
import type { DoctorTask } from './run-doctor.ts'

/** What is the place's own. The rules of the wall in it are the checks' to find, once a database and not once a tenant. */
const levels: Readonly<Record<string, DoctorLevel>> = {
  region: 'error',
  version: 'warning',
  gate: 'error',
  schema_missing: 'error',
  schema_owner: 'error',
  schema_privilege: 'error',
  schema_entry: 'warning',
  gate_schema: 'error',
  tenant_check: 'error',
  public_table: 'error',
  database_missing: 'error',
  database_privilege: 'error',
  login_missing: 'warning',
  login_membership: 'error',
  login_borrowed: 'error',
  search_path: 'error',
  connect_elsewhere: 'error',
  login_tenant: 'error',
  stranger: 'error',
}

export interface DriftOptions {
  readonly catalog: Pick<Catalog, 'list'>
  readonly reader: ControlConnection
  readonly placements: (isolation: Isolation) => Pick<PlacementAdapter, 'verify'>
  readonly isWanted?: ((at: DoctorPlace) => boolean) | undefined
}

/** One task a tenant. Those who are being made, removed or moved are left out: their places are not what they will be. */
export async function* driftTasks({ catalog, reader, placements, isWanted }: DriftOptions): AsyncGenerator<DoctorTask, void> {
  const rows = await reader.query<{ id: string }>('select distinct m.tenant_id as id from partywall.moving_places as m')
  const moving = new Set(rows.map(({ id }) => id))
  for (let after: TenantId | undefined; ; ) {
    const page = await catalog.list({ after })
    for (const tenant of page.tenants) {
      if (moving.has(tenant.id) || (tenant.status !== 'active' && tenant.status !== 'suspended')) continue
      if (isWanted?.(placeOf(tenant)) === false) continue
      yield () => drift(tenant, placements)
    }
    if (page.next === undefined) return
    after = page.next
  }
}

async function drift(tenant: Tenant, placements: DriftOptions['placements']): Promise<readonly DoctorEvent[]> {
  const at = placeOf(tenant)
  try {
    const found = await placements(tenant.placement.isolation).verify(tenant)
    return found.flatMap((finding) => told(tenant, at, finding))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return [{ kind: 'unseen', unseen: { kind: 'gap', at, what: `the place of the tenant ${tenant.id}`, why } }]
  }
}

function told(tenant: Tenant, at: DoctorPlace, { rule, object, problem, fix }: PlacementFinding): readonly DoctorEvent[] {
  const level = levels[rule]
  if (level === undefined) return []
  const { stem, gain } = placementDrift
  const key = findingKey(stem, at, `${tenant.id} ${rule} ${object}`)
  const said = `Tenant ${tenant.id}: ${problem}`
  // A person decides which of the two is right.
  return [
    {
      kind: 'finding',
      finding: { check: stem, level, at, object, problem: said, gain, fix, fixAs: 'administrator', isFixSafe: false, key },
    },
  ]
}

function placeOf({ placement: { server, database } }: Tenant): DoctorPlace {
  return { server, database }
}
