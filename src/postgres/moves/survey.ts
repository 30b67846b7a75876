// The two places of a move and their servers, looked at before anything is begun. Nothing is changed.

import type { MoveOptions, MoveSide } from '../../core/move.ts'
import type { Placement } from '../../core/placement.ts'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import type { ControlConnection } from '../control-pool.ts'
import type { FleetConnections } from '../fleet-connections.ts'
import type { PlacementMigrations } from '../placements/placement-site.ts'
import type { DiskSpace } from './disk-free.ts'
import { type MoveServer, readMoveServer } from './move-server.ts'
import { type TableSize, tenantSizes } from './tenant-size.ts'

/** A move that is thought of. */
export interface MoveSituation {
  readonly tenant: PlacedTenant
  readonly source: Placement
  /** It need not be there yet: what is not made is not looked at. */
  readonly target: Placement
  readonly options: MoveOptions
  readonly connections: FleetConnections
  /** The gatekeeper's connections to the catalog. */
  readonly catalog: ControlConnection
  readonly migrations: Pick<PlacementMigrations, 'version' | 'versionOf'>
  /** How much a server's disk has left, where it can be told. Default: of servers whose data are on this machine. */
  readonly diskSpace?: DiskSpace | undefined
  /** How long transactions may have been open, in milliseconds. Default 5,000. */
  readonly transactionAgeMs?: number | undefined
  /** From which size on a row is too large, in bytes as stored. Default 268,435,456: as text it is more, and past 1 GB it cannot be sent. */
  readonly rowBytesMax?: number | undefined
}

/** One of the two places, and the way to ask it. */
export interface MovePlace {
  readonly side: MoveSide
  readonly placement: Placement
  /** Of its server, as the catalog has it. */
  readonly region: string | undefined
  readonly labels: Readonly<Record<string, unknown>>
  /** The schema, where it is the tenant's own. */
  readonly ownSchema: string | undefined
  /** Undefined while the server does not answer, or is not there yet. */
  readonly server: MoveServer | undefined
  /** It is made for the tenant when the move has begun: the catalog knows its name alone. */
  readonly isPromised: boolean
  /** Why the server, or the database, does not answer. */
  readonly problem: string | undefined
  /** As PostgreSQL knows it. */
  readonly databaseName: string | undefined
  /** Are the tables there? */
  readonly isMade: boolean
  /** As the owner, in the database. */
  query<Row extends object>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>
  /** As the server's administrator, in the database, or in `postgres`. */
  administer<Row extends object>(text: string, values?: readonly unknown[], database?: string): Promise<readonly Row[]>
  /** What the tenant's rows take, table by table, by estimate. Asked once. */
  sizes(): Promise<readonly TableSize[]>
}

export type MoveSurvey = Omit<MoveSituation, 'source' | 'target'> & {
  readonly source: MovePlace
  readonly target: MovePlace
}

interface Registered {
  readonly region: string
  readonly labels: Readonly<Record<string, unknown>>
  readonly databaseName: string | null
  readonly isPromised: boolean
}

/** Looks at both places. What does not answer is told in the place's `problem`, and not thrown. */
export async function surveyMove(situation: MoveSituation): Promise<MoveSurvey> {
  const [source, target] = await Promise.all([look(situation, 'source'), look(situation, 'target')])
  return { ...situation, source, target }
}

async function look(situation: MoveSituation, side: MoveSide): Promise<MovePlace> {
  const { connections, catalog, tenant } = situation
  const placement = situation[side]
  // What the catalog says of its own database may be from before it was restored elsewhere.
  const [registered] = await catalog.query<Registered>(
    `select s.region, s.labels, s.state = 'provisioning' as "isPromised",
            case d.name when 'main' then current_database() else d.database_name end as "databaseName"
       from partywall.servers as s
       left join partywall.databases as d on d.server_name = s.name and d.name = $2
      where s.name = $1`,
    [placement.server, placement.database],
  )
  const databaseName = registered?.databaseName ?? undefined
  let sizes: Promise<readonly TableSize[]> | undefined
  const place = {
    side,
    placement,
    region: registered?.region,
    labels: registered?.labels ?? {},
    ownSchema: placement.isolation === 'schema' ? placement.schema : undefined,
    databaseName,
    isPromised: registered?.isPromised === true,
    query: async <Row extends object>(text: string, values: readonly unknown[] = []) =>
      await connections.asMigrator(placement.database, (control) => control.query<Row>(text, values)),
    administer: async <Row extends object>(text: string, values: readonly unknown[] = [], database = databaseName ?? 'postgres') =>
      await connections.asAdministrator(placement.server, (control) => control.query<Row>(text, values), database),
    sizes: async () => {
      sizes ??= tenantSizes(place, tenant)
      return await sizes
    },
  }
  if (registered === undefined || registered.isPromised) return { ...place, server: undefined, problem: undefined, isMade: false }
  let server: MoveServer | undefined
  try {
    server = await connections.asAdministrator(placement.server, readMoveServer)
    return { ...place, server, problem: undefined, isMade: await isMade(place) }
  } catch (error) {
    return { ...place, server, problem: (error as Error).message, isMade: false }
  }
}

async function isMade(place: Pick<MovePlace, 'databaseName' | 'placement' | 'administer' | 'query'>): Promise<boolean> {
  const { databaseName, placement } = place
  if (databaseName === undefined) return false
  const there = await place.administer(
    'select from pg_catalog.pg_database as d where d.datname = $1 and d.datallowconn',
    [databaseName],
    'postgres',
  )
  if (there.length === 0) return false
  const [found] = await place.query<{ isMade: boolean }>(
    `select to_regclass('partywall.protected_tables') is not null and to_regnamespace(quote_ident($1)) is not null as "isMade"`,
    [placement.schema],
  )
  return found?.isMade === true
}
