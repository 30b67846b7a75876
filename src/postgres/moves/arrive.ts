import type { Placement } from '../../core/placement.ts'
import type { TenantId } from '../../core/tenant.ts'
import type { ControlConnection } from '../control-pool.ts'

export async function arrive(connection: ControlConnection, tenantId: TenantId, { isolation, database, schema }: Placement): Promise<void> {
  await connection.query(
    `update partywall.tenants as t
        set isolation = $2, database_name = $3, schema_name = $4,
            version = case when $2 = 'schema' then coalesce((select d.version from partywall.databases as d where d.name = t.database_name), t.version) end
      where t.id = $1`,
    [tenantId, isolation, database, schema],
  )
}
