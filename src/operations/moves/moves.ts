// The verbs of moves. A verb writes down what is asked, and then whoever has the claim does it: this process, if nobody else does. So it
// is the same whether one process moves tenants or several do, and a verb whose process dies is gone on with by the others.

import { setTimeout as wait } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import type { Actor } from '../../core/actor.ts'
import type { AuditEvent, AuditTrail } from '../../core/audit-trail.ts'
import type { Catalog } from '../../core/catalog.ts'
import type { Clock } from '../../core/clock.ts'
import { isOver, type Move, type MoveOptions, type MoveVerb, refusalOf } from '../../core/move.ts'
import type { MoveFinding } from '../../core/move-finding.ts'
import { type Isolation, isolations, type Placement } from '../../core/placement.ts'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import { parseTenantRef, type Tenant, type TenantId, type TenantRef } from '../../core/tenant.ts'
import {
  AbortedError,
  ClosedError,
  InvalidInputError,
  MoveFailedError,
  MoveNotFoundError,
  MoveStateError,
  OperationInProgressError,
  OverloadedError,
  type TenancyError,
  TenantNotFoundError,
} from '../../errors.ts'
import { driveMove } from './drive-move.ts'
import type { MoveListener } from './move-event.ts'
import type { MoveJournal, MoveListOptions } from './move-journal.ts'
import { differs, problemOf } from './move-problem.ts'
import type { MoveWork, TenantMover } from './move-work.ts'

/** Where a tenant is to go. */
export interface MoveRequest extends MoveOptions {
  readonly to: Isolation
  /** This server and no other. */
  readonly server?: string | undefined
  /** This database, by its name in the catalog: of shared tables or of schemas. */
  readonly database?: string | undefined
}

export interface MoveVerbOptions {
  readonly actor?: Actor | undefined
  readonly reason?: string | undefined
  readonly onProgress?: MoveListener | undefined
  readonly signal?: AbortSignal | undefined
}

/** What a start would do. */
export interface MovePlan {
  readonly tenantId: TenantId
  readonly source: Placement
  readonly target: Placement
  readonly findings: readonly MoveFinding[]
}

/** Chooses and checks, before anything is begun. Ports to PostgreSQL's side. */
export interface MovePlanner {
  /** Chooses where the tenant is to go and reserves it for the move. @throws {RegionMismatchError} {@link CapacityError} {@link MoveRefusedError} */
  reserve(tenant: PlacedTenant, request: MoveRequest & { readonly moveId: string }): Promise<Placement>
  /** Gives back what was reserved for a move that was not begun. */
  unreserve(tenant: PlacedTenant, target: Placement, moveId: string): Promise<void>
  /** What the pre-flight finds. */
  findings(tenant: PlacedTenant, target: Placement, options: MoveOptions): Promise<readonly MoveFinding[]>
  /** @throws {MoveRefusedError} when one of them refuses. */
  assertMovable(findings: readonly MoveFinding[]): void
  /** Removes what moves have left on any server that are over or unknown. @returns what was removed. */
  reap(): Promise<readonly string[]>
}

export interface MovesOptions {
  readonly catalog: Catalog
  readonly journal: MoveJournal
  readonly work: MoveWork
  readonly planner: MovePlanner
  readonly movers?: readonly TenantMover[] | undefined
  readonly auditTrail: AuditTrail
  /** Under which this process owns moves. */
  readonly owner: () => Promise<string>
  readonly clock: Clock
  /** Moves that this process drives at a time, at most. Default 4. */
  readonly movesMax?: number | undefined
  readonly leaseMs?: number | undefined
  readonly onTenantChanged?: ((id: TenantId) => void) | undefined
}

/** A move as it stands, and what can be done with it. */
export interface MoveStatus {
  readonly move: Move
  /** Verbs that would be taken now. */
  readonly next: readonly MoveVerb[]
}

const leaseMsDefault = 10_000
const movesMaxDefault = 4
const pollMs = 50
/** A standby looks so often for moves whose process has died. */
const keepPollMs = 100
const verbs: readonly MoveVerb[] = ['verify', 'switch', 'reverse', 'complete', 'cancel']

/**
 * Moves tenants between placements while they are served.
 *
 * @example
 * ```ts
 * await fleet.moves.start('acme', { to: 'server', reason: 'Contract 4711.' })   // copies, and keeps in step
 * await fleet.moves.switch('acme')                                              // pauses its writes for some milliseconds
 * await fleet.moves.complete('acme')                                            // removes what was left; or reverse('acme')
 * ```
 */
export class Moves {
  readonly #o: MovesOptions
  readonly #closing = new AbortController()
  readonly #driving = new Set<Promise<unknown>>()

  constructor(options: MovesOptions) {
    this.#o = options
  }

  /**
   * Chooses the place, checks what stands in the way, and copies. Resolves when the copy is complete and followed; with `auto`, when
   * the move is done.
   *
   * @throws {MoveRefusedError} with every finding. {@link OperationInProgressError} {@link RegionMismatchError} {@link CapacityError}
   * @throws {MoveFailedError} when it could not go on; it stands, and is gone on with.
   */
  async start(ref: TenantRef, request: MoveRequest, options: MoveVerbOptions = {}): Promise<Move> {
    const { reason = '', actor = system } = options
    const checked = checkedRequest(request)
    if (reason.trim() === '') throw new InvalidInputError('A move needs a reason: it is in the audit trail, and the tenant may ask.')
    const tenant = await this.#tenant(ref)
    const id = uuidv7()
    const placed = placedOf(tenant)
    const asked = { action: 'move.start', tenantId: tenant.id, actor, reason }
    try {
      await this.#assertFree(tenant.id)
      const target = await this.#o.planner.reserve(placed, { ...checked, moveId: id })
      try {
        this.#o.planner.assertMovable(await this.#o.planner.findings(placed, target, checked))
        const { to: _, server: _server, database: _database, ...moveOptions } = checked
        await this.#o.journal.begin({ id, tenantId: tenant.id, source: tenant.placement, target, options: moveOptions, actor, reason })
      } catch (error) {
        await this.#o.planner.unreserve(placed, target, id)
        throw error
      }
    } catch (error) {
      await this.#audit(asked, 'refused', error)
      throw error
    }
    await this.#audit(asked, 'allowed')
    return await this.#until(id, options, ({ state, options: { auto } }) =>
      auto === true ? isOver(state) : state === 'following' || isOver(state),
    )
  }

  /** What a start would do, and what stands in its way. Nothing is begun. */
  async plan(ref: TenantRef, request: MoveRequest): Promise<MovePlan> {
    const tenant = placedOf(await this.#tenant(ref))
    const id = uuidv7()
    const checked = checkedRequest(request)
    const target = await this.#o.planner.reserve(tenant, { ...checked, moveId: id })
    try {
      return { tenantId: tenant.id, source: tenant.placement, target, findings: await this.#o.planner.findings(tenant, target, checked) }
    } finally {
      await this.#o.planner.unreserve(tenant, target, id)
    }
  }

  /** By the tenant, its last move; or by the move's id. @throws {MoveNotFoundError} */
  async status(ref: string): Promise<MoveStatus> {
    const move = await this.#find(ref)
    return { move, next: verbs.filter((verb) => refusalOf(verb, move) === undefined) }
  }

  /** Compares both places, row by row, as they were behind a short pause. @throws {MoveDiffersError} with the tables and some keys. */
  async verify(ref: string, options: MoveVerbOptions = {}): Promise<Move> {
    return await this.#ask(ref, 'verify', options)
  }

  /** Lets the other place serve. The tenant's writes pause for some milliseconds. @throws {MoveDiffersError} {@link MoveFailedError} */
  async switch(ref: string, options: MoveVerbOptions = {}): Promise<Move> {
    return await this.#ask(ref, 'switch', options)
  }

  /** Switches back. Nothing that was written since is lost. */
  async reverse(ref: string, options: MoveVerbOptions = {}): Promise<Move> {
    return await this.#ask(ref, 'reverse', options)
  }

  /** Ends a move that was switched: removes what is left at the place that the tenant came from. */
  async complete(ref: string, options: MoveVerbOptions = {}): Promise<Move> {
    return await this.#ask(ref, 'complete', options)
  }

  /** Ends a move that was not switched, or was reversed: removes what was copied. */
  async cancel(ref: string, options: MoveVerbOptions = {}): Promise<Move> {
    return await this.#ask(ref, 'cancel', options)
  }

  /** The newest first. */
  async list(options?: MoveListOptions): Promise<readonly Move[]> {
    return await this.#o.journal.list(options)
  }

  /** Removes what moves that are over, or unknown, have left on any server. @returns what was removed, for people. */
  async reap(): Promise<readonly string[]> {
    return await this.#o.planner.reap()
  }

  /**
   * Takes up moves that have something to do and nobody who does it, until the signal fires: of processes that died, within a tenth of
   * a second. Any number of processes may do so.
   */
  async keep(options: { readonly signal: AbortSignal; readonly onProgress?: MoveListener | undefined }): Promise<void> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal])
    const running = new Set<Promise<void>>()
    while (!signal.aborted) {
      const isFull = running.size >= (this.#o.movesMax ?? movesMaxDefault)
      const claimed = isFull ? undefined : await this.#claim().catch(() => undefined)
      if (claimed === undefined) {
        await wait(keepPollMs, undefined, { signal }).catch(() => {})
        continue
      }
      const driving: Promise<void> = this.#drive(claimed, { ...options, signal })
        .then(() => {})
        // It is written down with the move, and told there.
        .catch(() => {})
        .finally(() => running.delete(driving))
      running.add(driving)
    }
    await Promise.allSettled([...running])
  }

  /** Drives what is due once, each to where it rests. @returns the moves. */
  async resumeAll(options: MoveVerbOptions = {}): Promise<readonly Move[]> {
    const moves: Move[] = []
    for (;;) {
      const claimed = await this.#claim()
      if (claimed === undefined) return moves
      moves.push(await this.#drive(claimed, options).catch(async () => (await this.#o.journal.find(claimed.id)) ?? claimed))
    }
  }

  /** Leaves what is under way where it stands: another process goes on at once. */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled([...this.#driving])
  }

  async #ask(ref: string, verb: MoveVerb, options: MoveVerbOptions): Promise<Move> {
    const move = await this.#find(ref)
    const { actor = system, reason = '' } = options
    const asked = { action: `move.${verb}`, tenantId: move.tenantId, actor, reason }
    const refusal = refusalOf(verb, move)
    if (refusal !== undefined) {
      const error = new MoveStateError(`The move ${move.id} cannot ${verb}: ${refusal}.`, { details: { id: move.id, state: move.state } })
      await this.#audit(asked, 'refused', error)
      throw error
    }
    await this.#audit(asked, 'allowed')
    if ((await this.#o.journal.wish(move.id, verb)) === undefined) return await this.#ask(ref, verb, options)
    const isEnd = verb === 'complete' || verb === 'cancel'
    return await this.#until(
      move.id,
      options,
      ({ state, wish }) => isOver(state) || (!isEnd && wish === undefined && state === 'following'),
    )
  }

  /** Drives the move, or watches whoever drives it, until it has come so far. @throws what the move has as its problem. */
  async #until(id: string, options: MoveVerbOptions, isReached: (move: Move) => boolean): Promise<Move> {
    for (;;) {
      this.#assertWanted(options.signal)
      const claimed = await this.#claim(id)
      if (claimed !== undefined) await this.#drive(claimed, options)
      const move = await this.#o.journal.find(id)
      if (move === undefined) throw new MoveNotFoundError(`There is no move ${id}.`)
      if (move.problem !== undefined && move.wish === undefined) throw thrown(move)
      if (isReached(move)) return move
      await wait(pollMs)
    }
  }

  /** The journal refuses it too; here nothing has been reserved yet. @throws {OperationInProgressError} */
  async #assertFree(tenantId: TenantId): Promise<void> {
    const last = await this.#o.journal.findOf(tenantId)
    if (last === undefined || isOver(last.state)) return
    throw new OperationInProgressError(`The move ${last.id} of the tenant is ${last.state}. Complete it, or cancel it, first.`, {
      details: { kind: 'move', id: last.id, state: last.state },
    })
  }

  async #claim(id?: string): Promise<Move | undefined> {
    const { journal, owner, leaseMs = leaseMsDefault } = this.#o
    return await journal.claimDue(await owner(), leaseMs, id)
  }

  async #drive(move: Move, options: MoveVerbOptions): Promise<Move> {
    const { journal, work, movers = [], clock, leaseMs = leaseMsDefault, owner, onTenantChanged } = this.#o
    if (this.#driving.size >= 64) throw new OverloadedError('This process drives 64 moves already.')
    const signals = [this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])]
    const driving = driveMove(
      {
        journal,
        work,
        movers,
        clock,
        leaseMs,
        onTenantChanged,
        claim: { id: move.id, owner: await owner(), attempt: move.attempt },
        signal: AbortSignal.any(signals),
        onEvent: options.onProgress,
      },
      move,
    )
    this.#driving.add(driving)
    return await driving.finally(() => this.#driving.delete(driving))
  }

  async #find(ref: string): Promise<Move> {
    const move = /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(ref) ? await this.#o.journal.find(ref) : undefined
    if (move !== undefined) return move
    const found = await this.#o.journal.findOf((await this.#tenant(ref as TenantRef)).id)
    if (found === undefined) throw new MoveNotFoundError(`The tenant ${ref} was never moved.`)
    return found
  }

  /** Past every cache. */
  async #tenant(ref: TenantRef): Promise<Tenant> {
    const tenant = await this.#o.catalog.find(parseTenantRef(ref))
    if (tenant === undefined) throw new TenantNotFoundError(`There is no tenant ${ref}.`)
    return tenant
  }

  #assertWanted(signal: AbortSignal | undefined): void {
    if (this.#closing.signal.aborted) throw new ClosedError('The fleet is closed. The move stands; any process can go on with it.')
    if (signal?.aborted) throw new AbortedError('The move was left where it stands. Any process can go on with it.')
  }

  async #audit(asked: Asked, outcome: 'allowed' | 'refused', error?: unknown): Promise<void> {
    const details = error === undefined ? undefined : { ...problemOf(error) }
    await this.#o.auditTrail.record({ ...asked, outcome, requestId: undefined, ...(details !== undefined && { details }) })
  }
}

type Asked = Pick<AuditEvent, 'action' | 'tenantId' | 'actor' | 'reason'>

const system: Actor = Object.freeze({ kind: 'system', id: 'partywall' })

function placedOf({ id, region, keys, placement }: Tenant): PlacedTenant {
  return { id, region, keys, placement }
}

function thrown(move: Move): TenancyError {
  if (move.problem?.code === 'PW_MOVE_DIFFERS') return differs(move)
  return new MoveFailedError(`The move ${move.id} is ${move.state}: ${move.problem?.message ?? 'it could not go on.'}`, {
    details: { id: move.id, state: move.state, code: move.problem?.code ?? null },
  })
}

/** @throws {InvalidInputError} */
function checkedRequest(request: MoveRequest): MoveRequest {
  const { to, soakMs, fenceMs, drainMs, throttleRatio } = request
  if (!isolations.includes(to)) throw new InvalidInputError(`to is ${JSON.stringify(to)}; it may be ${isolations.join(', ')}.`)
  for (const [name, value, min, max] of [
    ['soakMs', soakMs, 0, 30 * 86_400_000],
    ['fenceMs', fenceMs, 250, 60_000],
    ['drainMs', drainMs, 1, 30_000],
    ['throttleRatio', throttleRatio, 0, 100],
  ] as const) {
    if (value !== undefined && !(value >= min && value <= max))
      throw new InvalidInputError(`${name} is ${value}; it may be ${min} to ${max}.`)
  }
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined)) as unknown as MoveRequest
}
