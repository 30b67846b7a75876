// Servers of one region made about equally full. Greedy: as long as one is too full, the tenant is moved that brings it and the emptiest
// one closest together. Each step makes the sum of the squares smaller, so that no plan undoes another; and a plan begins later than it
// ends, so that a fleet which is a little out of balance is left alone.

import type { Move } from '../../core/move.ts'
import type { TenantId } from '../../core/tenant.ts'
import {
  type BulkPlan,
  estimateOf,
  type LeftOut,
  type PlannedMove,
  type PlanServer,
  type PlanTenant,
  type TenantSize,
  totalsOf,
  whyNot,
} from './plan.ts'

/** What is made equal: bytes, heads, or rows read and written in a second. */
export type BalanceBy = 'size' | 'tenants' | 'load'

export interface RebalanceInput {
  readonly tenants: readonly PlanTenant[]
  readonly servers: readonly PlanServer[]
  readonly sizes: ReadonlyMap<TenantId, TenantSize>
  readonly open: readonly Move[]
  readonly by: BalanceBy
  /** Steps, at most. What is left over is for the next plan. */
  readonly movesMax: number
  /** A server so much above the mean is too full: 0.1 is a tenth. It is emptied to half of that above the mean. */
  readonly tolerance: number
  readonly concurrency: number
}

/** How full a server is, in what is made equal. */
export interface ServerWeight {
  readonly server: string
  readonly region: string
  readonly before: number
  readonly after: number
}

export interface RebalancePlan extends BulkPlan {
  readonly weights: readonly ServerWeight[]
}

interface Weighed {
  readonly tenant: PlanTenant
  readonly weight: number
  /** Where it is, in the plan as it stands. */
  at: string
}

/** Whoever is in shared tables, or has a whole server, counts where it is and stays there. */
export function planRebalance(input: RebalanceInput): RebalancePlan {
  const { servers, movesMax, concurrency, sizes } = input
  const balanced = servers.filter(({ state, isDedicated }) => (state === 'active' || state === 'draining') && !isDedicated)
  const { movable, fixed, refused } = weighed(input, new Set(balanced.map(({ name }) => name)))
  const scales = new Scales(balanced, [...movable, ...fixed])
  const before = scales.weights()
  let stepsLeft = movesMax
  for (const region of new Set(balanced.map((server) => server.region))) {
    const here = balanced.filter((server) => server.region === region)
    const rooms = new Map(here.map((server) => [server.name, { ...server.room }]))
    const own = movable.filter(({ tenant }) => tenant.region === region)
    let isBegun = false
    while (stepsLeft > 0) {
      const next = nextStep({ here, own, scales, rooms, allowed: input.tolerance / (isBegun ? 2 : 1) })
      if (next === undefined) break
      isBegun = true
      stepsLeft -= 1
      const { isolation } = next.party.tenant.placement
      rooms.get(next.party.at)![isolation] += 1
      rooms.get(next.to)![isolation] -= 1
      scales.carry(next.party, next.to)
    }
  }
  const moves = movable.flatMap((party) => plannedOf(party, sizes))
  moves.sort((a, b) => (a.size?.bytes ?? 0) - (b.size?.bytes ?? 0))
  const after = scales.weights()
  return {
    moves,
    refused,
    there: movable.length - moves.length,
    ...totalsOf(moves, concurrency),
    weights: balanced.map(({ name, region }) => ({ server: name, region, before: before.get(name)!, after: after.get(name)! })),
  }
}

function weighed(
  { tenants, sizes, open, by }: RebalanceInput,
  names: ReadonlySet<string>,
): { readonly movable: readonly Weighed[]; readonly fixed: readonly Weighed[]; readonly refused: readonly LeftOut[] } {
  const openOf = new Map(open.map((move) => [move.tenantId, move]))
  const movable: Weighed[] = []
  const fixed: Weighed[] = []
  const refused: LeftOut[] = []
  for (const tenant of tenants) {
    const { id, slug, placement } = tenant
    const move = openOf.get(id)
    // Who is on the way counts where it will be.
    const at = move === undefined || move.state === 'cancelling' ? placement.server : move.target.server
    if (!names.has(at)) continue
    const weight = weightOf(sizes.get(id), by)
    const canMove = placement.isolation === 'schema' || placement.isolation === 'database'
    const why = !canMove ? undefined : move !== undefined ? `The move ${move.id} is open.` : (whyNot(tenant) ?? unknown(weight, by))
    if (why !== undefined) refused.push({ tenantId: id, slug, why })
    if (canMove && why === undefined) movable.push({ tenant, weight: weight!, at })
    else fixed.push({ tenant, weight: weight ?? 0, at })
  }
  return { movable, fixed, refused }
}

function weightOf(size: TenantSize | undefined, by: BalanceBy): number | undefined {
  switch (by) {
    case 'tenants':
      return 1
    case 'size':
      return size?.bytes
    case 'load':
      return size?.load
  }
}

function unknown(weight: number | undefined, by: BalanceBy): string | undefined {
  return weight === undefined ? `Its ${by} is not known: its database did not answer.` : undefined
}

/** What stands on each server. */
class Scales {
  readonly #on: Map<string, number>

  constructor(servers: readonly PlanServer[], parties: readonly Weighed[]) {
    this.#on = new Map(servers.map(({ name }) => [name, 0]))
    for (const { at, weight } of parties) this.#on.set(at, this.of(at) + weight)
  }

  of(server: string): number {
    return this.#on.get(server) ?? 0
  }

  carry(party: Weighed, to: string): void {
    this.#on.set(party.at, this.of(party.at) - party.weight)
    this.#on.set(to, this.of(to) + party.weight)
    party.at = to
  }

  weights(): ReadonlyMap<string, number> {
    return new Map(this.#on)
  }
}

interface Region {
  readonly here: readonly PlanServer[]
  readonly own: readonly Weighed[]
  readonly scales: Scales
  readonly rooms: ReadonlyMap<string, PlanServer['room']>
  /** So much above the mean is too full now. */
  readonly allowed: number
}

interface Step {
  readonly party: Weighed
  readonly to: string
}

function nextStep({ here, own, scales, rooms, allowed }: Region): Step | undefined {
  const active = here.filter(({ state }) => state === 'active').map(({ name }) => name)
  const emptiest = [...active].sort((a, b) => scales.of(a) - scales.of(b) || (a < b ? -1 : 1))
  const hasRoom = (name: string, { tenant }: Weighed): boolean => rooms.get(name)![tenant.placement.isolation] > 0
  // Nobody is to stay on a server that is being drained: the heaviest first, while there is most room to choose from.
  const leaving = own.filter(({ at }) => here.some(({ name, state }) => name === at && state === 'draining'))
  for (const party of leaving.sort((a, b) => b.weight - a.weight)) {
    const to = emptiest.find((name) => hasRoom(name, party))
    if (to !== undefined) return { party, to }
  }
  const mean = active.reduce((sum, name) => sum + scales.of(name), 0) / active.length
  const tooFull = emptiest.toReversed().filter((name) => scales.of(name) > mean * (1 + allowed))
  for (const from of tooFull) {
    for (const to of emptiest) {
      const gap = scales.of(from) - scales.of(to)
      const fits = own.filter((party) => party.at === from && hasRoom(to, party) && isWorthwhile(party.weight, gap, (mean * allowed) / 2))
      const best = fits.sort((a, b) => Math.abs(gap - 2 * a.weight) - Math.abs(gap - 2 * b.weight))[0]
      if (best !== undefined) return { party: best, to }
    }
  }
  return undefined
}

/** What is left of the gap on the giver's side has to be worth the way: a great tenant is not carried about for a few bytes. */
function isWorthwhile(weight: number, gap: number, gainMin: number): boolean {
  return weight > 0 && gap - weight > 0 && gap - weight >= gainMin
}

function plannedOf({ tenant, at }: Weighed, sizes: ReadonlyMap<TenantId, TenantSize>): readonly PlannedMove[] {
  const { id, slug, placement: from } = tenant
  if (at === from.server) return []
  const destination = { to: from.isolation, server: at }
  const size = sizes.get(id)
  return [{ tenantId: id, slug, from, destination, size, estimateMs: estimateOf(size, from, destination) }]
}
