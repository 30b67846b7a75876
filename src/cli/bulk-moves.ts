// What move plan and move rebalance share: whom they are about, how a plan is printed, and how it is carried out.

import type { MoveOptions } from '../core/move.ts'
import type { Isolation } from '../core/placement.ts'
import { isolations } from '../core/placement.ts'
import type { Tenant, TenantId, TenantStatus } from '../core/tenant.ts'
import { ConfigurationError } from '../errors.ts'
import { type BulkResult, executePlan } from '../operations/moves/execute-plan.ts'
import type { BulkPlan, PlannedMove, PlanServer, TenantSizes } from '../operations/moves/plan.ts'
import { PostgresTenantSizes } from '../postgres/moves/tenant-sizes.ts'
import type { SharedDatabase } from '../postgres/placements/schema-databases.ts'
import type { ServerLoad } from '../postgres/servers.ts'
import type { Outcome } from './exit-codes.ts'
import type { FleetPlane } from './fleet-plane.ts'
import { moveOptionFlags } from './move-options.ts'
import { type Watched, watchingMoves } from './move-plane.ts'
import { bytesText, countText, pauseText, placeText } from './move-words.ts'
import type { Output } from './output.ts'
import { durationText } from './progress-tally.ts'
import type { Flags } from './verb.ts'

export const bulkFlags = {
  execute: { kind: 'switch', about: 'carry it out; without it nothing is done' },
  concurrency: { kind: 'number', about: 'moves at a time', min: 1, max: 16, default: 2 },
  failuresMax: { kind: 'number', about: 'after so many failures nothing more is begun', min: 1, max: 10_000, default: 3 },
  ...moveOptionFlags,
  soak: { kind: 'text', value: 'time', about: 'how long both places are kept in step after each switch (default: 10m)' },
  reason: { kind: 'text', value: 'why', about: 'kept in the audit trail; needed to carry it out' },
} as const satisfies Flags

/** A slot is held until the move is over, so that a fleet is not on its way for weeks. */
export const bulkSoakDefault = '10m'

const pageMax = 1_000
const filterKeys = ['plan', 'region', 'status', 'isolation', 'server', 'database'] as const
const statuses: readonly TenantStatus[] = ['onboarding', 'active', 'suspended', 'offboarding']

export type TenantFilter = { readonly [Key in (typeof filterKeys)[number]]?: string | undefined }

/** Reads `plan=enterprise`. All of them must hold. @throws {ConfigurationError} */
export function tenantFilter(given: readonly string[]): TenantFilter {
  const filter: Record<string, string> = {}
  for (const text of given) {
    const [, key = '', value = ''] = /^([a-z]+)=(.+)$/.exec(text) ?? []
    if (!(filterKeys as readonly string[]).includes(key))
      throw new ConfigurationError(`--where ${text}: write ${filterKeys.map((name) => `${name}=…`).join(', ')}.`)
    if (filter[key] !== undefined) throw new ConfigurationError(`--where names ${key} twice.`)
    if (key === 'isolation' && !isolations.includes(value as Isolation))
      throw new ConfigurationError(`--where ${text}: it may be ${isolations.join(', ')}.`)
    if (key === 'status' && !statuses.includes(value as TenantStatus))
      throw new ConfigurationError(`--where ${text}: it may be ${statuses.join(', ')}.`)
    filter[key] = value
  }
  return filter
}

/** All who match. */
export async function tenantsWhere({ fleet }: FleetPlane, { server, ...filter }: TenantFilter): Promise<readonly Tenant[]> {
  const found: Tenant[] = []
  for (let after: TenantId | undefined, more = true; more; more = after !== undefined) {
    const { tenants, next } = await fleet.catalog.list({ ...(filter as object), limit: pageMax, after })
    found.push(...tenants.filter(({ placement }) => server === undefined || placement.server === server))
    after = next
  }
  return found
}

export function tenantSizes({ fleet }: FleetPlane): TenantSizes {
  return new PostgresTenantSizes({ connections: fleet.connections })
}

/** As a plan knows them. */
export async function planServers({ fleet }: FleetPlane): Promise<readonly PlanServer[]> {
  const databases = await fleet.placements.schemaDatabases.list()
  return (await fleet.servers.list()).map((server) =>
    planServerOf(
      server,
      databases.filter((one) => one.server === server.name),
    ),
  )
}

function planServerOf(server: ServerLoad, shared: readonly SharedDatabase[]): PlanServer {
  const { name, region, state, labels, tenantsMax, provisioned, ownDatabases, databases } = server
  const isDedicated = labels['dedicated'] === true || tenantsMax === 1 || provisioned !== null
  const roomIn = (holds: SharedDatabase['holds']): number =>
    shared
      .filter((one) => one.holds === holds && one.state === 'ready')
      .reduce((sum, one) => sum + (one.tenantsMax === undefined ? Number.POSITIVE_INFINITY : one.tenantsMax - one.tenants), 0)
  const room = {
    pooled: roomIn('pooled'),
    schema: roomIn('schema'),
    database: tenantsMax === null ? Number.POSITIVE_INFINITY : tenantsMax - ownDatabases,
    server: isDedicated && provisioned === null && databases === 0 ? 1 : 0,
  }
  return { name, region, state, isDedicated, room }
}

/** Who goes, who stays and why, and what it comes to. */
export async function tellPlan(
  output: Output,
  plan: BulkPlan,
  { concurrency, isDone }: { concurrency: number; isDone: boolean },
): Promise<void> {
  const { moves, refused, there, rows, bytes, estimateMs } = plan
  const planned = moves.map((move) => ({ kind: 'planned', ...move }))
  if (planned.length > 0 || output.isJson)
    await output.table(planned, {
      TENANT: ({ slug }) => slug,
      FROM: ({ from }) => placeText(from),
      TO: ({ destination: { to, server } }) => (server === undefined ? to : placeText({ isolation: to, server })),
      ROWS: ({ size }) => (size === undefined ? 'unknown' : `~${countText(size.rows)}`),
      SIZE: ({ size }) => (size === undefined ? 'unknown' : `~${bytesText(size.bytes)}`),
      ABOUT: ({ estimateMs: ms }) => (ms === undefined ? 'unknown' : durationText(ms / 1_000)),
      '': ({ moveId }) => (moveId === undefined ? '' : 'is gone on with'),
    })
  if (refused.length > 0)
    await output.table(
      refused.map((one) => ({ kind: 'refused', ...one })),
      { 'NOT MOVED': ({ slug }) => slug, WHY: ({ why }) => why },
    )
  const total = `${moves.length} to move, ${there} there already, ${refused.length} not to be moved now`
  const cost = `about ${countText(rows)} rows, ${bytesText(bytes)}, ${durationText(estimateMs / 1_000)} with ${concurrency} at a time`
  output.lines(
    [
      moves.length === 0 ? `${total}.` : `${total}: ${cost}.`,
      ...(isDone || moves.length === 0 ? [] : ['Nothing was done: --execute does it.']),
    ],
    {
      kind: 'plan',
      moves: moves.length,
      refused: refused.length,
      there,
      rows,
      bytes,
      estimateMs,
    },
  )
}

export interface CarryOutOptions {
  readonly plane: FleetPlane
  readonly reason: string
  readonly concurrency: number
  readonly failuresMax: number
  readonly options: MoveOptions
  readonly signal: AbortSignal
}

/** Carries a plan out, and says of each tenant what came of it. */
export async function carryOut(
  watched: Watched,
  moves: readonly PlannedMove[],
  { plane, reason, concurrency, failuresMax, options, signal }: CarryOutOptions,
): Promise<Outcome> {
  const names = new Map<string, string>(moves.map(({ tenantId, slug }) => [tenantId, slug]))
  const look = async () => (await plane.fleet.moves.list({ open: true, limit: 1_000 })).filter(({ tenantId }) => names.has(tenantId))
  const results = await watchingMoves(watched, { look, nameOf: (id) => names.get(id) ?? id }, (onProgress) =>
    executePlan(moves, { moves: plane.fleet.moves, actor: plane.actor, reason, concurrency, failuresMax, options, signal, onProgress }),
  )
  await watched.output.table(results.map(resultRow), {
    TENANT: ({ tenant }) => tenant,
    RESULT: ({ state }) => state,
    PAUSE: ({ pauseMs }) => (pauseMs === undefined ? '-' : pauseText(pauseMs)),
    PROBLEM: ({ problem }) => problem ?? '-',
  })
  signal.throwIfAborted()
  return outcomeOf(results)
}

function resultRow({ tenantId, slug, state, move, error }: BulkResult) {
  return {
    kind: 'result',
    tenant: slug,
    tenantId,
    state,
    moveId: move?.id,
    pauseMs: move?.pauseMs,
    problem: error?.message,
    code: error?.code,
  }
}

/** Who was not begun is for the next run of the same command. */
function outcomeOf(results: readonly BulkResult[]): Outcome {
  const count = (state: BulkResult['state']): number => results.filter((one) => one.state === state).length
  if (count('left') > 0) return 'halted'
  if (count('failed') === 0) return 'done'
  return count('done') === 0 ? 'failed' : 'partly'
}
