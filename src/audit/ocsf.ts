// Entries in the words of the Open Cybersecurity Schema Framework, for whoever collects from many systems: class 6005, Datastore Activity.
// https://schema.ocsf.io/1.3.0/classes/datastore_activity

import type { AuditEntry, AuditOutcome } from '../core/audit-entry.ts'
import type { Json, Tenant } from '../core/tenant.ts'

const classUid = 6005
const version = '1.3.0'
const activities: Readonly<Record<string, readonly [id: number, name: string]>> = {
  select: [4, 'Query'],
  insert: [6, 'Create'],
  update: [2, 'Update'],
  merge: [5, 'Write'],
  delete: [7, 'Delete'],
}
/** 99 is Other, whose name is in `type`: version 1.3.0 has no number for a service. */
const userTypes: Readonly<Record<string, number>> = { user: 1, staff: 2, system: 3, service: 99 }

/** One event. What the framework has no place for is under `unmapped`. */
export function ocsfEvent(entry: AuditEntry, tenant: Pick<Tenant, 'id' | 'slug'>, product: string): Readonly<Record<string, Json>> {
  const [activityId, activityName] = activities[entry.operation] ?? [99, entry.operation]
  const { statusId, status, severityId } = statusOf(entry.outcome)
  const { kind, id } = entry.actor
  return {
    class_uid: classUid,
    class_name: 'Datastore Activity',
    category_uid: 6,
    category_name: 'Application Activity',
    activity_id: activityId,
    activity_name: activityName,
    type_uid: classUid * 100 + activityId,
    time: Date.parse(entry.at),
    severity_id: severityId,
    status_id: statusId,
    status,
    ...(entry.error !== undefined && { status_code: entry.error }),
    metadata: {
      version,
      uid: `${tenant.id}/${entry.name}`,
      tenant_uid: tenant.id,
      product: { name: 'partywall', vendor_name: 'partywall', version: product },
      ...(entry.requestId !== undefined && { correlation_uid: entry.requestId }),
    },
    actor: { user: { uid: id, type: kind, type_id: userTypes[kind] ?? 0 } },
    // Required by the class. An address is there when the application told it.
    src_endpoint: entry.from === undefined ? { name: 'application' } : { ip: entry.from },
    database: { name: tenant.slug, type_id: 1, type: 'Relational' },
    ...(entry.tables?.[0] !== undefined && { table: { name: entry.tables[0] }, type_id: 3 }),
    unmapped: JSON.parse(JSON.stringify(withoutMapped(entry))) as Json,
  }
}

function withoutMapped({ actor, at, requestId, error, ...rest }: AuditEntry): object {
  return rest
}

function statusOf(outcome: AuditOutcome): { readonly statusId: number; readonly status: string; readonly severityId: number } {
  switch (outcome) {
    case 'done':
    case 'begun':
      return { statusId: 1, status: 'Success', severityId: 1 }
    case 'refused':
      return { statusId: 2, status: 'Failure', severityId: 3 }
    case 'failed':
    case 'rolled_back':
      return { statusId: 2, status: 'Failure', severityId: 1 }
    case 'unknown':
      return { statusId: 0, status: 'Unknown', severityId: 1 }
  }
}
