// Which tenants to move, in which order, and whom to leave where they are, and why. Pure: sizes, servers and open moves are given. What
// is done already is left out, so that a plan which was interrupted is gone on with by making it again.

import type { Move } from '../../core/move.ts'
import type { Isolation, Placement } from '../../core/placement.ts'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import type { Tenant, TenantId } from '../../core/tenant.ts'

/** What a tenant takes, as PostgreSQL estimates it. */
export interface TenantSize {
  readonly rows: number
  /** With indexes. */
  readonly bytes: number
  /** Rows read and written in a second, since its server's statistics began; undefined in shared tables, where nobody tells tenants apart. */
  readonly load: number | undefined
}

/** A port: postgres/moves/tenant-sizes.ts. Nothing is counted row by row. */
export interface TenantSizes {
  /** @returns without those whose database did not answer. */
  sizesOf(tenants: readonly PlacedTenant[], signal?: AbortSignal): Promise<ReadonlyMap<TenantId, TenantSize>>
}

/** A server, as far as a plan needs to know it. */
export interface PlanServer {
  readonly name: string
  readonly region: string
  readonly state: 'provisioning' | 'active' | 'draining' | 'retired'
  /** For one tenant alone. */
  readonly isDedicated: boolean
  /** How many more may come there to live so; Infinity without a bound. Shared tables and schemas need a database that holds them. */
  readonly room: Readonly<Record<Isolation, number>>
}

/** Where to. */
export interface MoveDestination {
  readonly to: Isolation
  readonly server?: string | undefined
  readonly database?: string | undefined
}

export type PlanTenant = Pick<Tenant, 'id' | 'slug' | 'region' | 'status' | 'placement'>

export interface PlannedMove {
  readonly tenantId: TenantId
  readonly slug: string
  readonly from: Placement
  readonly destination: MoveDestination
  readonly size: TenantSize | undefined
  /** How long it is likely to take, in milliseconds, without its soak; undefined when its size is not known. */
  readonly estimateMs: number | undefined
  /** A move there that is open already, and is gone on with. */
  readonly moveId?: string | undefined
}

/** Somebody who is left where they are. */
export interface LeftOut {
  readonly tenantId: TenantId
  readonly slug: string
  readonly why: string
}

export interface BulkPlan {
  /** In the order in which they begin: the smallest first, so that what is wrong with all of them shows early and cheaply. */
  readonly moves: readonly PlannedMove[]
  readonly refused: readonly LeftOut[]
  /** How many are there already. */
  readonly there: number
  readonly rows: number
  readonly bytes: number
  /** Until the last is done, so many at a time. */
  readonly estimateMs: number
}

export interface BulkPlanInput {
  readonly tenants: readonly PlanTenant[]
  readonly destination: MoveDestination
  readonly sizes: ReadonlyMap<TenantId, TenantSize>
  readonly servers: readonly PlanServer[]
  /** Moves that are not over. */
  readonly open: readonly Move[]
  /** Moves at a time. */
  readonly concurrency: number
}

/** Of a copy in one server, whose own log has to be decoded too; and between two. */
const rowsPerSec = { same: 100_000, other: 200_000 }
const bytesPerSec = 50_000_000
/** Place, replication, pause, comparison and purge. */
const overheadMs = 4_000

/** @returns the plan for those who match, wherever they are. */
export function planMoves({ tenants, destination, sizes, servers, open, concurrency }: BulkPlanInput): BulkPlan {
  const openOf = new Map(open.map((move) => [move.tenantId, move]))
  const rooms = new Rooms(servers)
  const moves: PlannedMove[] = []
  const refused: LeftOut[] = []
  let there = 0
  for (const tenant of [...tenants].sort(bySize(sizes))) {
    const { id, slug, placement: from } = tenant
    const size = sizes.get(id)
    const move = openOf.get(id)
    if (move === undefined && isThere(from, destination)) {
      there += 1
      continue
    }
    const why = move === undefined ? (whyNot(tenant) ?? rooms.take(tenant, destination)) : whyNotGoneOn(move, destination)
    if (why !== undefined) refused.push({ tenantId: id, slug, why })
    else moves.push({ tenantId: id, slug, from, destination, size, estimateMs: estimateOf(size, from, destination), moveId: move?.id })
  }
  return { moves, refused, there, ...totalsOf(moves, concurrency) }
}

/** Rows, bytes and time of all of them. */
export function totalsOf(moves: readonly PlannedMove[], concurrency: number): Pick<BulkPlan, 'rows' | 'bytes' | 'estimateMs'> {
  // As they will run: the next one begins where the first is done.
  const lines = new Array<number>(Math.max(1, concurrency)).fill(0)
  for (const { estimateMs = overheadMs } of moves) {
    const next = lines.indexOf(Math.min(...lines))
    lines[next] = lines[next]! + estimateMs
  }
  const sum = (of: (size: TenantSize) => number): number => moves.reduce((all, { size }) => all + (size === undefined ? 0 : of(size)), 0)
  return { rows: sum(({ rows }) => rows), bytes: sum(({ bytes }) => bytes), estimateMs: Math.max(...lines) }
}

export function estimateOf(size: TenantSize | undefined, from: Placement, { server }: MoveDestination): number | undefined {
  if (size === undefined) return undefined
  const perSec = server === from.server ? rowsPerSec.same : rowsPerSec.other
  return Math.round(overheadMs + 1_000 * Math.max(size.rows / perSec, size.bytes / bytesPerSec))
}

/** Why a tenant is not moved now, whatever the destination is. */
export function whyNot({ status }: Pick<PlanTenant, 'status'>): string | undefined {
  if (status === 'onboarding') return 'It is being made. Plan again when it is open.'
  if (status === 'offboarding') return 'It is being off-boarded.'
  return undefined
}

function isThere(at: Placement, { to, server, database }: MoveDestination): boolean {
  return at.isolation === to && (server === undefined || server === at.server) && (database === undefined || database === at.database)
}

function whyNotGoneOn({ id, target, state }: Move, destination: MoveDestination): string | undefined {
  if (!isThere(target, destination)) return `The move ${id} is open and leads elsewhere: ${target.isolation} on ${target.server}.`
  return state === 'cancelling' ? `The move ${id} there is being cancelled. Plan again when it is over.` : undefined
}

/** The smallest first; those whose size is not known last. */
function bySize(sizes: ReadonlyMap<TenantId, TenantSize>): (a: PlanTenant, b: PlanTenant) => number {
  const bytesOf = ({ id }: PlanTenant): number => sizes.get(id)?.bytes ?? Number.POSITIVE_INFINITY
  return (a, b) => (bytesOf(a) === bytesOf(b) ? (a.slug < b.slug ? -1 : 1) : bytesOf(a) - bytesOf(b))
}

/** What the servers can take, as the plan fills them. Who comes second to the last place is told so now, and not in the middle. */
export class Rooms {
  readonly #servers: readonly PlanServer[]
  readonly #taken = new Map<string, number>()

  constructor(servers: readonly PlanServer[]) {
    this.#servers = servers
  }

  /** Takes a place for the tenant. @returns why there is none. */
  take({ region }: Pick<PlanTenant, 'region'>, { to, server: name }: MoveDestination): string | undefined {
    if (name === undefined) return this.#takeSome(region, to)
    const server = this.#servers.find((one) => one.name === name)
    if (server === undefined) return `There is no server ${name}.`
    if (server.region !== region) return `Its region is ${region}, and the server ${name} is in ${server.region}.`
    if (server.state !== 'active') return `The server ${name} is ${server.state}.`
    if (server.isDedicated !== (to === 'server'))
      return server.isDedicated ? `The server ${name} is for one tenant alone.` : `The server ${name} holds more than one tenant.`
    return this.#takeAt([server], to)
  }

  /** Who wants a whole server gets it from the provisioner, who may make one. */
  #takeSome(region: string, to: Isolation): string | undefined {
    const here = this.#servers.filter((server) => server.region === region && server.state === 'active' && !server.isDedicated)
    if (here.length === 0 && to !== 'server') return `No active server is in its region, ${region}.`
    return to === 'server' ? undefined : this.#takeAt(here, to)
  }

  #takeAt(servers: readonly PlanServer[], to: Isolation): string | undefined {
    const taken = ({ name }: PlanServer): number => this.#taken.get(`${name} ${to}`) ?? 0
    const free = servers.find((server) => server.room[to] > taken(server))
    if (free !== undefined) {
      this.#taken.set(`${free.name} ${to}`, taken(free) + 1)
      return undefined
    }
    const names = servers.map(({ name }) => name).join(', ')
    const isShared = to === 'pooled' || to === 'schema'
    if (servers.some((server) => taken(server) > 0)) return `${names} ${servers.length === 1 ? 'is' : 'are'} full with those before it.`
    return `There is no room at ${names}${isShared ? `, in a database that holds ${to === 'schema' ? 'schemas' : 'shared tables'}` : ''}.`
  }
}
