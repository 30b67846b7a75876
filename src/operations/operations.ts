// The operations on a tenant's life, as a program calls them.

import { v7 as uuidv7 } from 'uuid'
import type { Actor } from '../core/actor.ts'
import type { AuditTrail } from '../core/audit-trail.ts'
import { type Clock, systemClock } from '../core/clock.ts'
import type { Mask } from '../core/mask.ts'
import type { Isolation } from '../core/placement.ts'
import { type Json, parseTenantId, parseTenantRef, type TenantId, type TenantKeys, type TenantRef } from '../core/tenant.ts'
import { InvalidInputError, OperationFailedError, OperationNotFoundError, TenantNotFoundError } from '../errors.ts'
import { certificateKey } from './certificate-key.ts'
import { changePlan } from './change-plan.ts'
import type { Operation, OperationJournal, OperationListOptions } from './journal.ts'
import { offboard } from './offboard.ts'
import { assertFree, type OnboardInput, onboard } from './onboard.ts'
import { type OperationDefinition, type PlannedStep, planOf } from './operation.ts'
import { auditOperation } from './operation-audit.ts'
import type { OperationListener } from './operation-event.ts'
import { checkedReason, parseOperationId } from './operation-input.ts'
import { rename } from './rename.ts'
import { replace } from './replace.ts'
import { resume } from './resume.ts'
import { OperationRunner, type Resumed, type ResumeOptions } from './runner.ts'
import { suspend } from './suspend.ts'
import { placed, settledTenant, type TenantLife } from './tenant-life.ts'

export interface OperationsOptions extends TenantLife {
  readonly journal: OperationJournal
  readonly auditTrail: AuditTrail
  readonly clock?: Clock | undefined
  /** Default 30,000. See {@link OperationRunner}. */
  readonly leaseMs?: number | undefined
  /** Default 64. */
  readonly operationsMax?: number | undefined
}

/** What every verb takes. */
export interface VerbOptions {
  /** Who asks. Default: the system. */
  readonly actor?: Actor | undefined
  /** Why. Needed where it says so; it is read by auditors. */
  readonly reason?: string | undefined
  /** Tells what would be done, and does nothing. */
  readonly dryRun?: boolean | undefined
  readonly onProgress?: OperationListener | undefined
  /** Stops before the next step. The operation stays where it is, and can be resumed at once. */
  readonly signal?: AbortSignal | undefined
}

/** A tenant to be onboarded. Text is parsed; nothing is folded. */
export interface OnboardTenant {
  readonly id?: string | undefined
  readonly slug: string
  readonly name: string
  readonly plan?: string | undefined
  readonly region?: string | undefined
  /** Default: what the plan says. */
  readonly isolation?: Isolation | undefined
  /** A server, by its name in the catalog. Default: the adapter chooses. */
  readonly server?: string | undefined
  readonly parentId?: string | undefined
  readonly features?: Readonly<Record<string, Json>> | undefined
  readonly settings?: Readonly<Record<string, Json>> | undefined
  readonly domains?: readonly string[] | undefined
  readonly encryptionKeyId?: string | undefined
  readonly keys?: TenantKeys | undefined
  /** Names of seeds. Default: all that are configured. */
  readonly seeds?: readonly string[] | undefined
  /** Its first user, for the hook `admin`. */
  readonly admin?: { readonly email: string; readonly name?: string | undefined } | undefined
  /** A backup whose rows it starts with, as `<tenant id>/<backup id>`. See {@link Backups.restore}. */
  readonly contents?: string | undefined
}

/** A tenant to be made from another. What is not said is as the other has it: plan, region, features of its own. */
export interface CloneTenant {
  readonly id?: string | undefined
  readonly slug: string
  /** Default: the slug. */
  readonly name?: string | undefined
  readonly plan?: string | undefined
  /** Default: what the plan says. */
  readonly isolation?: Isolation | undefined
  readonly server?: string | undefined
  /** Its own keys, where tables know tenants by a bigint or a text. */
  readonly keys?: TenantKeys | undefined
  /** What becomes of columns, by `table.column`. */
  readonly mask?: Mask | undefined
  /** Columns that look personal and have no rule are copied as they are. Default: they are a refusal that names them. */
  readonly allowUnmasked?: boolean | undefined
}

export interface OffboardOptions {
  /** Default 30 days; at most 365. Within it, cancel() gives the tenant back. */
  readonly graceMs?: number | undefined
  /** No grace. */
  readonly now?: boolean | undefined
  /** Where the tenant's rows are written first. */
  readonly exportTo?: string | undefined
  readonly batchRows?: number | undefined
  readonly pauseMs?: number | undefined
}

/** What a verb answers. */
export interface OperationReport {
  /** What the operation does, in order. */
  readonly plan: readonly PlannedStep[]
  /** As it stands now: done, or waiting. Undefined after a dry run. */
  readonly operation: Operation | undefined
  /** Given out once and stored nowhere: `apiKey`, the text of the first user's key. */
  readonly handedOut: Readonly<Record<string, string>>
}

/**
 * Verbs on tenants as a whole. Each is journaled: killed at any point, it is gone on with by {@link Operations.resumeAll}, in this
 * process or another.
 *
 * @example
 * ```ts
 * const { operation } = await operations.onboard({ slug: 'acme', name: 'Acme Ltd.', plan: 'pro' }, { onProgress: console.log })
 * ```
 */
export class Operations {
  readonly #life: OperationsOptions
  readonly #journal: OperationJournal
  readonly #runner: OperationRunner
  readonly #definitions: Readonly<Record<OperationKind, OperationDefinition<unknown>>>

  constructor(options: OperationsOptions) {
    this.#life = options
    this.#journal = options.journal
    this.#definitions = definitionsOf(options, options.journal)
    this.#runner = new OperationRunner({ ...options, definitions: Object.values(this.#definitions) })
  }

  /**
   * Makes a tenant: place, wall, seeds, first user; open at the end. What refuses it leaves nothing behind.
   *
   * @throws {TenantExistsError} {@link InvalidInputError} {@link InvalidTenantRefError} {@link RegionMismatchError}
   * @throws {OperationFailedError} when something broke on the way: retry() goes on, cancel() takes everything back.
   */
  async onboard(tenant: OnboardTenant, options: VerbOptions = {}): Promise<OperationReport> {
    const { id = uuidv7(), isolation, server, seeds, admin, contents, ...fields } = tenant
    const definition = this.#definitions.onboard as OperationDefinition<OnboardInput>
    const tenantId = parseTenantId(id)
    const given = { id: tenantId, tenant: withoutUndefined(fields), isolation, server, seeds, admin, contents }
    const input = definition.parse(withoutUndefined(given))
    const check = async (): Promise<void> => await assertFree(this.#life, input)
    return await this.#perform(definition, tenantId, input, options, { check, needsReason: false })
  }

  /**
   * Makes a tenant whose rows are a copy of another's as of one moment, under a mask: an onboarding with one more step, before the
   * gate is opened. The other may be suspended, and is not disturbed. `settings.clonedFrom` of the clone says of whom and when; the
   * other's settings, domains, keys and users are not copied, nor are seeds planted. A failure leaves nothing behind.
   *
   * @throws {InvalidInputError} when a rule fits no column, or columns that look personal have none: the message says what to add.
   * @throws {ConstraintError} when values under the mask no longer fit, e.g. a fixed value in a unique column.
   * @throws {OperationFailedError} when something broke on the way: everything was taken back.
   *
   * @example
   * ```ts
   * await operations.clone('acme', { slug: 'acme-sandbox', mask: { 'people.email': 'email', 'people.iban': 'null' } })
   * ```
   */
  async clone(ref: TenantRef, wanted: CloneTenant, options: VerbOptions = {}): Promise<OperationReport> {
    const source = await settledTenant(this.#life, await this.#idOf(ref))
    const { id = uuidv7(), slug, name = slug, plan = source.plan, isolation, server, keys, mask = {}, allowUnmasked = false } = wanted
    const clock = this.#life.clock ?? systemClock
    const clonedFrom = { tenant: source.id, at: new Date(clock.now()).toISOString() }
    const tenant = { slug, name, plan, region: source.region, features: source.ownFeatures, settings: { clonedFrom }, keys }
    const definition = this.#definitions.onboard as OperationDefinition<OnboardInput>
    const clone = { of: source.id, mask, allowsUnmasked: allowUnmasked }
    const tenantId = parseTenantId(id)
    const input = definition.parse(
      withoutUndefined({ id: tenantId, tenant: withoutUndefined(tenant), isolation, server, seeds: [], clone }),
    )
    const check = async (): Promise<void> => {
      await assertFree(this.#life, input)
      await this.#life.copier?.check(placed(source), { keys: input.tenant.keys ?? {} }, input.clone!)
    }
    try {
      return await this.#perform(definition, tenantId, input, options, { check, needsReason: false })
    } catch (error) {
      throw error instanceof OperationFailedError ? await this.#takenBack(error, options) : error
    }
  }

  /** Gives a tenant another slug, another name, or both. @throws {TenantExistsError} when the slug is taken. */
  async rename(
    ref: TenantRef,
    input: { readonly slug?: string; readonly name?: string },
    options: VerbOptions = {},
  ): Promise<OperationReport> {
    return await this.#start('rename', ref, input, options, false)
  }

  /**
   * Puts a tenant on another plan. The output of its step `compare` ({@link PlanComparison}) says whether the plan's default
   * placement is another than the tenant's; nothing is moved.
   */
  async changePlan(ref: TenantRef, plan: string, options: VerbOptions = {}): Promise<OperationReport> {
    return await this.#start('change-plan', ref, { plan }, options, false)
  }

  /** Shuts a tenant out, at once in its database, wherever that is; ends its running statements. Needs a reason. */
  async suspend(ref: TenantRef, options: VerbOptions & { readonly reason: string }): Promise<OperationReport> {
    return await this.#start('suspend', ref, {}, options, true)
  }

  /** Lets a suspended tenant in again. Needs a reason. */
  async resume(ref: TenantRef, options: VerbOptions & { readonly reason: string }): Promise<OperationReport> {
    return await this.#start('resume', ref, {}, options, true)
  }

  /**
   * Closes a tenant at once and purges it after a time of grace, which {@link resumeAll} brings to its end. Needs a reason.
   *
   * The output of the step `certify` has the purge certificate.
   */
  async offboard(ref: TenantRef, options: VerbOptions & OffboardOptions & { readonly reason: string }): Promise<OperationReport> {
    const { graceMs, now, exportTo, batchRows, pauseMs } = options
    if (now === true && graceMs !== undefined && graceMs > 0) throw new InvalidInputError('now and graceMs contradict each other.')
    // A purge that could not be certified afterwards is not begun.
    if (options.dryRun !== true) await certificateKey(this.#life.secrets)
    const input = { graceMs: now === true ? 0 : graceMs, exportTo, batchRows, pauseMs }
    return await this.#start('offboard', ref, input, options, true)
  }

  /**
   * Puts the rows of a backup, `<tenant id>/<backup id>`, in the place of the tenant's own; see {@link Backups.swap}. Needs a reason.
   *
   * The output of the step `replace` has `safety`, the backup of what was there: with it the same verb is the way back.
   */
  async replace(ref: TenantRef, contents: string, options: VerbOptions & { readonly reason: string }): Promise<OperationReport> {
    return await this.#start('replace', ref, { contents }, options, true)
  }

  /** @throws {OperationNotFoundError} */
  async get(id: string): Promise<Operation> {
    const operation = await this.#journal.find(parseOperationId(id))
    if (operation === undefined) throw new OperationNotFoundError(`There is no operation ${id}.`)
    return operation
  }

  /** The newest first. */
  async list(options?: OperationListOptions): Promise<readonly Operation[]> {
    return await this.#journal.list(options)
  }

  /**
   * Goes on with an operation whose process died or whose wait is over.
   *
   * @throws {OperationInProgressError} while somebody works on it, while it waits, or when it failed: {@link retry} goes on then.
   */
  async goOn(id: string, options: ResumeOptions = {}): Promise<OperationReport> {
    const { operation, handedOut } = await this.#runner.resume(parseOperationId(id), options)
    return { plan: this.#planOf(operation), operation, handedOut }
  }

  /** Goes on with a failed operation at the step that failed. @throws {OperationInProgressError} while somebody works on it. */
  async retry(id: string, options: ResumeOptions = {}): Promise<OperationReport> {
    const { operation, handedOut } = await this.#runner.resume(parseOperationId(id), { ...options, failed: true })
    return { plan: this.#planOf(operation), operation, handedOut }
  }

  /**
   * Takes an operation back, as far as it still can be: an onboarding before it is open, an off-boarding before its purge begins. One
   * that runs in another process undoes itself after its present step, unless it is done by then. Needs a reason.
   *
   * @throws {OperationNotCancellableError} when it is over, or can only go on.
   */
  async cancel(id: string, options: ResumeOptions & { readonly reason: string; readonly actor?: Actor | undefined }): Promise<Operation> {
    const operation = await this.get(id)
    const reason = checkedReason('cancel', options.reason, true)
    const actor = options.actor ?? system
    const { auditTrail } = this.#life
    await auditOperation(auditTrail, { ...operation, kind: `${operation.kind}.cancel`, actor, reason }, 'started')
    return await this.#runner.cancel(operation.id, options)
  }

  /** Goes on with everything whose process died or whose wait is over: call it from a timer, or `partywall operation resume` from cron. */
  async resumeAll(options?: ResumeOptions & { readonly concurrency?: number | undefined }): Promise<readonly Resumed[]> {
    return await this.#runner.resumeAll(options)
  }

  /** Stops before the next steps; what was running can be resumed elsewhere at once. */
  async close(): Promise<void> {
    await this.#runner.close()
  }

  /** A clone that broke is of no use to anybody. One that cannot be taken back now stays failed, and is told with its id. */
  async #takenBack(failure: OperationFailedError, { actor, onProgress }: VerbOptions): Promise<OperationFailedError> {
    const { cause, details, retryable } = failure
    const undone = await this.cancel(String(details['id']), { reason: 'The clone failed.', actor, onProgress }).catch(() => undefined)
    if (undone?.state !== 'cancelled') return failure
    const why = cause instanceof Error ? cause.message : 'of an unknown reason.'
    return new OperationFailedError(`The clone failed at the step ${details['step']}, and everything was taken back: ${why}`, {
      cause,
      details,
      retryable,
    })
  }

  async #start(kind: OperationKind, ref: TenantRef, given: object, options: VerbOptions, needsReason: boolean): Promise<OperationReport> {
    const definition = this.#definitions[kind] as OperationDefinition<object>
    const input = definition.parse(withoutUndefined(given))
    const tenantId = await this.#idOf(ref)
    const check = async (): Promise<void> => void (await settledTenant(this.#life, tenantId))
    return await this.#perform(definition, tenantId, input, options, { check, needsReason })
  }

  async #perform<Input extends object>(
    definition: OperationDefinition<Input>,
    tenantId: TenantId,
    input: Input,
    options: VerbOptions,
    { check, needsReason }: { readonly check: () => Promise<void>; readonly needsReason: boolean },
  ): Promise<OperationReport> {
    const { kind } = definition
    const reason = checkedReason(kind, options.reason, needsReason)
    const actor = options.actor ?? system
    const plan = planOf(definition, input)
    // What is under way explains more than the state that it has brought about.
    const open = await this.#journal.findOpen(tenantId)
    if (open === undefined || options.dryRun === true)
      await this.#checked(check, { kind, tenantId, actor, reason }, options.dryRun === true)
    if (options.dryRun === true) return { plan, operation: undefined, handedOut: {} }
    const { onProgress, signal } = options
    const { operation, handedOut } = await this.#runner.start(kind, input, { tenantId, actor, reason, onProgress, signal })
    return { plan, operation, handedOut }
  }

  async #checked(
    check: () => Promise<void>,
    asked: Pick<Operation, 'kind' | 'tenantId' | 'actor' | 'reason'>,
    isDryRun: boolean,
  ): Promise<void> {
    try {
      await check()
    } catch (error) {
      if (!isDryRun) await auditOperation(this.#life.auditTrail, asked, 'refused', error)
      throw error
    }
  }

  #planOf(operation: Operation): readonly PlannedStep[] {
    const definition = this.#definitions[operation.kind as OperationKind]
    return planOf(definition, definition.parse(operation.input))
  }

  /** Past every cache. */
  async #idOf(ref: TenantRef): Promise<TenantId> {
    const lookup = parseTenantRef(ref)
    if (lookup.kind === 'id') return lookup.id
    const tenant = await this.#life.catalog.find(lookup)
    if (tenant === undefined) throw new TenantNotFoundError(`There is no tenant ${ref}.`)
    return tenant.id
  }
}

/** The kinds of operations, each with a file of its name. */
export const operationKinds = Object.freeze(['onboard', 'rename', 'change-plan', 'suspend', 'resume', 'offboard', 'replace'] as const)

export type OperationKind = (typeof operationKinds)[number]

function definitionsOf(life: TenantLife, journal: OperationJournal): Readonly<Record<OperationKind, OperationDefinition<unknown>>> {
  return {
    onboard: onboard(life),
    rename: rename(life),
    'change-plan': changePlan(life),
    suspend: suspend(life),
    resume: resume(life),
    offboard: offboard(life, journal),
    replace: replace(life),
  }
}

const system: Actor = Object.freeze({ kind: 'system', id: 'partywall' })

function withoutUndefined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
