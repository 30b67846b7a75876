// The catalog's side of a switch: where a tenant is, and which of its two places is the move's. One transaction, which is the mover's.

import type { Placement } from '../../core/placement.ts'
import type { TenantId } from '../../core/tenant.ts'
import { MoveFailedError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'

/**
 * Says that the tenant is served at `to` from now on, and that the place where it was is kept for the move. The other way round it is
 * the same. Asked again it changes nothing.
 *
 * @param connection in the transaction in which the move is switched, as the owner.
 * @throws {MoveFailedError} when `to` is no place that was made for the tenant's move and is ready. Nothing is changed then, if the
 * transaction is given up.
 */
export async function arrive(connection: ControlConnection, tenantId: TenantId, to: Placement): Promise<void> {
  const [now] = await connection.query<Now>(
    `select t.isolation, t.database_name as database, t.schema_name as schema, t.version,
            (select m.id from partywall.moves as m where m.tenant_id = t.id and m.finished_at is null) as "moveId"
       from partywall.tenants as t
      where t.id = $1
        for update`,
    [tenantId],
  )
  if (now === undefined) throw new MoveFailedError(`There is no tenant ${tenantId} to be switched.`)
  if (now.database === to.database && now.schema === to.schema) return
  if (now.moveId === null) throw new MoveFailedError(`No move of the tenant ${tenantId} is open: it stays where it is.`)
  const move = { tenantId, moveId: now.moveId }
  // In this order: at no moment a tenant has two places of its own.
  await leave(connection, move, now)
  const { version } = await take(connection, move, to)
  await connection.query(`update partywall.tenants set isolation = $2, database_name = $3, schema_name = $4, version = $5 where id = $1`, [
    tenantId,
    to.isolation,
    to.database,
    to.schema,
    version,
  ])
}

type Place = Pick<Placement, 'isolation' | 'database' | 'schema'>

interface Now extends Place {
  readonly version: string | null
  readonly moveId: string | null
}

interface Moving {
  readonly tenantId: TenantId
  readonly moveId: string
}

/** What is left is kept for the move: to go back, or to be removed. */
async function leave(connection: ControlConnection, { tenantId, moveId }: Moving, place: Now): Promise<void> {
  switch (place.isolation) {
    case 'pooled':
      await connection.query(
        `insert into partywall.pooled_reservations (move_id, database_name, tenant_id)
         values ($1, $2, $3)
             on conflict on constraint pooled_reservations_pkey do nothing`,
        [moveId, place.database, tenantId],
      )
      return
    case 'schema':
      await connection.query(
        `update partywall.schemas set move_id = $4, version = $5
          where database_name = $1 and schema_name = $2 and tenant_id = $3`,
        [place.database, place.schema, tenantId, moveId, place.version],
      )
      return
    case 'database':
    case 'server':
      await connection.query('update partywall.databases set move_id = $3 where name = $1 and tenant_id = $2', [
        place.database,
        tenantId,
        moveId,
      ])
  }
}

/** @returns the version of a schema of its own; elsewhere the database has it. */
async function take(
  connection: ControlConnection,
  { tenantId, moveId }: Moving,
  place: Placement,
): Promise<{ readonly version: string | null }> {
  const taken = await takeRow(connection, { tenantId, moveId }, place)
  if (taken !== undefined) return taken
  throw new MoveFailedError(
    `The place ${place.database}.${place.schema} is not one that is ready for the move ${moveId}. The tenant stays where it is.`,
  )
}

async function takeRow(
  connection: ControlConnection,
  { tenantId, moveId }: Moving,
  place: Placement,
): Promise<{ readonly version: string | null } | undefined> {
  switch (place.isolation) {
    case 'pooled': {
      const [row] = await connection.query<{ version: null }>(
        `delete from partywall.pooled_reservations where move_id = $1 and database_name = $2 and tenant_id = $3 returning null as version`,
        [moveId, place.database, tenantId],
      )
      return row
    }
    case 'schema': {
      const [row] = await connection.query<{ version: string | null }>(
        `update partywall.schemas set move_id = null
          where database_name = $1 and schema_name = $2 and tenant_id = $3 and move_id = $4 and state = 'ready'
         returning version`,
        [place.database, place.schema, tenantId, moveId],
      )
      return row
    }
    case 'database':
    case 'server': {
      const [row] = await connection.query<{ version: null }>(
        `update partywall.databases set move_id = null
          where name = $1 and tenant_id = $2 and move_id = $3 and state = 'ready'
         returning null as version`,
        [place.database, tenantId, moveId],
      )
      return row
    }
  }
}
