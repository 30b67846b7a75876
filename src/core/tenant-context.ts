// The tenant context: who is served, for whom, in which request. A frozen value that is handed on as an argument inside the
// house; AsyncLocalStorage carries it only between the doors (HTTP, run, the pool look-alike), and is checked against the
// argument there. There is `run` and nothing else: `enterWith` would leak to the caller, a setter would leak to everybody.

import { AsyncLocalStorage } from 'node:async_hooks'
import { BreakGlassRefusedError, InvalidInputError, NoTenantError, WrongTenantError } from '../errors.ts'
import type { Actor } from './actor.ts'
import type { AuditTrail } from './audit-trail.ts'
import { deepFreeze } from './deep-freeze.ts'
import type { GrantUse } from './grant-use.ts'
import type { Tenant } from './tenant.ts'

/** W3C Trace Context, level 1: https://www.w3.org/TR/trace-context/ */
export interface Trace {
  readonly traceparent: string
  readonly tracestate: string | undefined
}

/** Everything that the code downstream may know of its caller. Frozen, and never widened on the way. */
export interface TenantContext {
  readonly tenant: Tenant
  readonly actor: Actor
  readonly requestId: string
  readonly trace: Trace | undefined
  /** As `GET /orders/:id`. */
  readonly route?: string | undefined
  /** The address of the client. Personal data: it goes into the tenant's own audit log and nowhere else. */
  readonly from?: string | undefined
  /** Of a member of the staff who is let in by a grant (break-glass): the grant, which every door honours. */
  readonly grant?: GrantUse | undefined
}

/** Makes a context that nobody can change afterwards. */
export function createTenantContext(parts: {
  readonly tenant: Tenant
  readonly actor?: Actor | undefined
  readonly requestId?: string | undefined
  readonly trace?: Trace | undefined
  readonly route?: string | undefined
  readonly from?: string | undefined
  readonly grant?: GrantUse | undefined
}): TenantContext {
  const { kind, id } = parts.actor ?? { kind: 'system', id: 'partywall' }
  return Object.freeze({
    // A catalog's tenants are frozen all through; one that comes from elsewhere is from here on.
    tenant: deepFreeze(parts.tenant),
    // Copies: a caller who keeps the original can change the original only.
    actor: Object.freeze({ kind, id }),
    requestId: parts.requestId ?? crypto.randomUUID(),
    trace: parts.trace && Object.freeze({ ...parts.trace }),
    ...(parts.route !== undefined && { route: parts.route }),
    ...(parts.from !== undefined && { from: parts.from }),
    ...(parts.grant !== undefined && { grant: parts.grant }),
  })
}

/** Why code may work for more than one tenant, and who says so. */
export interface AcrossTenantsOptions {
  /** At least ten characters: it is read by auditors. */
  readonly reason: string
  readonly actor?: Actor | undefined
  readonly requestId?: string | undefined
}

/** What the storage holds: one tenant, or the licence to enter several, one after another. */
type Scope = { readonly kind: 'tenant'; readonly context: TenantContext } | { readonly kind: 'across'; readonly reason: string }

const reasonLengthMin = 10

/**
 * Runs `fn` in the context of this module's loading: outside every tenant's and every request's. For what many callers share
 * (connections, lookups, timers), so that nothing keeps or sees the context of whoever happened to come first.
 */
export const runOutside: <T>(fn: () => T) => T = AsyncLocalStorage.snapshot()

/** The ambient context of one tenancy. Two tenancies in a process do not see each other's. */
export class TenantScope {
  readonly #storage = new AsyncLocalStorage<Scope>()
  readonly #auditTrail: AuditTrail

  constructor(auditTrail: AuditTrail) {
    this.#auditTrail = auditTrail
  }

  /**
   * Runs `fn` inside the context. Its result is `fn`'s; a lazy thenable that `fn` returns is *not* inside: await it there.
   *
   * @throws {WrongTenantError} inside another tenant's scope. Use {@link acrossTenants}.
   */
  run<T>(context: TenantContext, fn: (context: TenantContext) => T): T {
    const outer = this.#storage.getStore()
    if (outer !== undefined && outer.kind === 'tenant' && outer.context.tenant.id !== context.tenant.id) {
      throw new WrongTenantError(
        `Tenant ${context.tenant.id} was entered inside the scope of tenant ${outer.context.tenant.id}. Leave the outer scope first, or use acrossTenants({ reason }, fn).`,
      )
    }
    assertSameGrant(outer?.kind === 'tenant' ? outer.context : undefined, context)
    return this.#storage.run({ kind: 'tenant', context }, fn, context)
  }

  /** @throws {NoTenantError} outside every tenant's scope. */
  current(): TenantContext {
    const scope = this.#storage.getStore()
    if (scope !== undefined && scope.kind === 'tenant') return scope.context
    throw new NoTenantError(
      scope === undefined
        ? 'No tenant in context. Wrap the call in tenancy.run(tenant, fn), or mount the middleware first; a callback or listener needs tenancy.bind(fn).'
        : 'No tenant in context: acrossTenants() is not a tenant. Enter each one with tenancy.run(tenant, fn) inside it.',
    )
  }

  /** @returns undefined outside every tenant's scope. */
  tryCurrent(): TenantContext | undefined {
    const scope = this.#storage.getStore()
    return scope !== undefined && scope.kind === 'tenant' ? scope.context : undefined
  }

  /**
   * The context to work in, when the caller has one in hand: the explicit one, if the ambient one does not contradict it.
   *
   * @throws {WrongTenantError} when they name different tenants.
   * @throws {NoTenantError} when there is neither.
   */
  check(explicit: TenantContext | undefined): TenantContext {
    if (explicit === undefined) return this.current()
    const ambient = this.tryCurrent()
    if (ambient !== undefined && ambient.tenant.id !== explicit.tenant.id) {
      throw new WrongTenantError(
        `The explicit tenant is ${explicit.tenant.id}, but the ambient one is ${ambient.tenant.id}. Something kept a context that is not its own.`,
      )
    }
    assertSameGrant(ambient, explicit)
    return explicit
  }

  /** `fn`, to be called later by a timer, an emitter or a queue, but always inside the context of now. */
  bind<This, Args extends unknown[], Result>(fn: (this: This, ...args: Args) => Result): (this: This, ...args: Args) => Result {
    const context = this.current()
    const scope = this
    return function bound(this: This, ...args: Args): Result {
      // Straight to the storage: the listener's caller may well be inside another tenant, and that is the point of bind.
      return scope.#storage.run({ kind: 'tenant', context }, () => fn.apply(this, args))
    }
  }

  /**
   * `fn`, refusing to run outside a tenant's scope. Works on functions and, as a decorator, on class methods; on plain,
   * async, generator and async generator functions. A generator's body runs in the scope of its call, not of its puller.
   */
  requireTenant<This, Args extends unknown[], Result>(
    fn: (this: This, ...args: Args) => Result,
    _decorator?: ClassMethodDecoratorContext,
  ): (this: This, ...args: Args) => Result {
    const scope = this
    return function requiringTenant(this: This, ...args: Args): Result {
      const context = scope.current()
      const result = fn.apply(this, args)
      return isGenerator(result) ? scope.#pin(context, result) : result
    }
  }

  /**
   * Runs `fn` with the licence to enter tenants one after another. Inside it there is no tenant until `run` names one.
   * The act is recorded first; when it cannot be, `fn` does not run.
   *
   * @throws {InvalidInputError} when the reason is shorter than ten characters.
   */
  async acrossTenants<T>(options: AcrossTenantsOptions, fn: () => T | Promise<T>): Promise<T> {
    const reason = typeof options?.reason === 'string' ? options.reason.trim() : ''
    if (reason.length < reasonLengthMin) {
      throw new InvalidInputError(`acrossTenants() needs a reason of at least ${reasonLengthMin} characters: it is read by auditors.`)
    }
    const outer = this.tryCurrent()
    if (outer?.grant !== undefined) throw new BreakGlassRefusedError('A grant is for one tenant: nobody leaves it for others.')
    await this.#auditTrail.record({
      action: 'tenancy.across_tenants',
      outcome: 'allowed',
      actor: options.actor ?? outer?.actor ?? { kind: 'system', id: 'partywall' },
      tenantId: outer?.tenant.id,
      requestId: options.requestId ?? outer?.requestId,
      reason,
    })
    return this.#storage.run({ kind: 'across', reason }, async () => await fn())
  }

  /** The same generator, every step of which runs inside `context`, whoever pulls. */
  #pin<G extends AnyGenerator>(context: TenantContext, generator: G): G {
    const step = (method: 'next' | 'return' | 'throw') => (value?: unknown) =>
      this.#storage.run({ kind: 'tenant', context }, () => (generator[method] as (value?: unknown) => unknown).call(generator, value))
    const pinned: G = new Proxy(generator, {
      get(target, key) {
        if (key === 'next' || key === 'return' || key === 'throw') return step(key)
        if (key === Symbol.asyncIterator || key === Symbol.iterator) return key in target ? () => pinned : undefined
        return Reflect.get(target, key, target)
      },
    })
    return pinned
  }
}

/** Who is let in by a grant stays within it: the tenant's own context has more. */
function assertSameGrant(outer: TenantContext | undefined, inner: TenantContext): void {
  if (outer?.grant === undefined || outer.grant === inner.grant) return
  throw new BreakGlassRefusedError(`Inside grant ${outer.grant.grantId} the tenant is entered by that grant alone.`)
}

type AnyGenerator = Generator<unknown, unknown, unknown> | AsyncGenerator<unknown, unknown, unknown>

function isGenerator(value: unknown): value is AnyGenerator {
  if (typeof value !== 'object' || value === null) return false
  const tag = Object.prototype.toString.call(value)
  return tag === '[object Generator]' || tag === '[object AsyncGenerator]'
}
