// What the lease tells the recorder: each statement that was sent for a tenant, what became of it, and what was refused.

import { createHash, hash, randomBytes } from 'node:crypto'
import type { AuditOutcome } from '../core/audit-entry.ts'
import type { AuditRecorder } from '../core/audit-recorder.ts'
import type { Clock } from '../core/clock.ts'
import type { Tenant } from '../core/tenant.ts'
import type { TenantContext } from '../core/tenant-context.ts'
import { ConnectionLostError, TenancyError } from '../errors.ts'
import { auditContextOf } from './audit-context.ts'
import { statementFacts } from './statement-facts.ts'

export interface StatementAuditOptions {
  readonly recorder: AuditRecorder
  readonly clock: Clock
  /** Statements that are recorded durably before they are sent: all, or those that name one of these tables. Default: none. */
  readonly strict?: 'all' | readonly string[] | undefined
}

/** What is common to the reports of one statement. */
export interface AuditedCall {
  readonly text: string
  readonly values?: readonly unknown[] | undefined
  /** Of {@link StatementAudit.nextTransaction}. */
  readonly transaction?: string | undefined
}

/** Errors of ours that mean: it was not allowed. The others mean: it did not work. */
const refusals: ReadonlySet<string> = new Set([
  'PW_STATEMENT_REFUSED',
  'PW_CALLBACK_REFUSED',
  'PW_SUBMITTABLE_REFUSED',
  'PW_POLICY_VIOLATION',
  'PW_CAPABILITY_REFUSED',
  'PW_NO_TENANT',
  'PW_WRONG_TENANT',
  'PW_TENANT_SUSPENDED',
  'PW_TENANT_READ_ONLY',
  'PW_BREAK_GLASS_REFUSED',
  'PW_TENANT_BUSY',
  'PW_OVERLOADED',
])
/** insufficient_privilege, read_only_sql_transaction. */
const refusalStates: ReadonlySet<string> = new Set(['42501', '25006'])

const control = { commit: Object.freeze({ operation: 'commit' }), rollback: Object.freeze({ operation: 'rollback' }) } as const

export class StatementAudit {
  readonly recorder: AuditRecorder
  readonly #clock: Clock
  readonly #strict: 'all' | ReadonlySet<string>
  readonly #process = randomBytes(3).toString('hex')
  #transactions = 0
  /** Statements that were begun and not reported yet; and whoever waits for the last. */
  #inFlight = 0
  #onIdle: (() => void) | undefined

  constructor({ recorder, clock, strict = [] }: StatementAuditOptions) {
    this.recorder = recorder
    this.#clock = clock
    this.#strict = strict === 'all' ? 'all' : new Set(strict)
  }

  /** A name for a transaction: of no other in this log, as good as. */
  nextTransaction(): string {
    this.#transactions += 1
    return `${this.#process}.${this.#transactions}`
  }

  /**
   * Before a statement is sent: undefined when nothing has to be awaited, which is nearly always.
   *
   * @throws {AuditUnavailableError} when what must be recorded first cannot be, or there is no room. Nothing may be sent then.
   */
  begin(context: TenantContext, call: AuditedCall): Promise<void> | undefined {
    this.#inFlight += 1
    const { tenant } = context
    if (this.#isStrict(context, call.text)) return this.#recordFirst(context, call)
    return this.recorder.hasRoom(tenant.id) ? undefined : this.recorder.admit(tenant)
  }

  /** Its answer takes its time: how it ended is reported by `done`. What had to be recorded first is in the log as begun already. */
  begun(context: TenantContext, call: AuditedCall): void {
    if (!this.#isStrict(context, call.text)) this.#record(context, call, 'begun', undefined)
  }

  /** It was answered. @param rows Returned or changed. */
  done(context: TenantContext, call: AuditedCall, rows: number | null): void {
    this.#record(context, call, 'done', rows ?? undefined)
    this.skipped()
  }

  /** @param rows Those that were given out before it failed. */
  failed(context: TenantContext, call: AuditedCall, error: unknown, rows?: number): void {
    this.#record(context, call, outcomeOf(error), rows, codeOf(error))
    this.skipped()
  }

  /** It was answered, and is not worth an entry. */
  skipped(): void {
    this.#inFlight -= 1
    if (this.#inFlight === 0) this.#onIdle?.()
  }

  /** Waits for what was begun, so that its end is recorded too, and closes the recorder. @throws as {@link AuditRecorder.close}. */
  async close(waitMs = 10_000): Promise<void> {
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
        setTimeout(resolve, waitMs).unref()
      })
    }
    await this.recorder.close()
  }

  /** The end of a transaction of which something was recorded. */
  ended(context: TenantContext, transaction: string, how: 'committed' | 'rolled back', error?: unknown): void {
    const outcome = error !== undefined ? outcomeOf(error) : how === 'committed' ? 'done' : 'rolled_back'
    this.recorder.record(context.tenant, {
      at: this.#clock.now(),
      by: auditContextOf(context),
      of: how === 'committed' ? control.commit : control.rollback,
      // COMMIT of a transaction that had failed is a rollback that nobody asked for.
      outcome: outcome === 'failed' ? 'rolled_back' : outcome,
      transaction,
      error: error === undefined ? undefined : codeOf(error),
    })
  }

  /** What is no statement: an act of the application's or of partywall's own. */
  async note(
    context: TenantContext,
    operation: string,
    details: { readonly outcome?: AuditOutcome; readonly details?: Parameters<AuditRecorder['record']>[1]['details'] } = {},
  ): Promise<void> {
    const { tenant } = context
    if (!this.recorder.hasRoom(tenant.id)) await this.recorder.admit(tenant)
    const fact = { at: this.#clock.now(), by: auditContextOf(context), of: { operation }, outcome: 'done' as const, ...details }
    if (this.#strict === 'all' || context.grant !== undefined) await this.#durably(tenant, context, fact)
    else this.recorder.record(tenant, fact)
  }

  #record(context: TenantContext, call: AuditedCall, outcome: AuditOutcome, rows: number | undefined, error?: string): void {
    this.recorder.record(context.tenant, {
      at: this.#clock.now(),
      by: auditContextOf(context),
      of: statementFacts(call.text),
      outcome,
      rows,
      keys: keysOf(context.tenant, call.values),
      transaction: call.transaction,
      error,
    })
  }

  async #recordFirst(context: TenantContext, call: AuditedCall): Promise<void> {
    const { tenant } = context
    if (!this.recorder.hasRoom(tenant.id)) await this.recorder.admit(tenant)
    await this.#durably(tenant, context, {
      at: this.#clock.now(),
      by: auditContextOf(context),
      of: statementFacts(call.text),
      outcome: 'begun',
      keys: keysOf(tenant, call.values),
      transaction: call.transaction,
    })
  }

  async #durably(tenant: Tenant, context: TenantContext, fact: Parameters<AuditRecorder['record']>[1]): Promise<void> {
    // What is done by a grant is in the control plane's own trail before it is done; a tenant without a log is not to shut it out.
    if (context.grant !== undefined && this.recorder.isMissing(tenant.id)) return
    try {
      await this.recorder.recordFirst(tenant, fact)
    } catch (error) {
      if (context.grant === undefined || !this.recorder.isMissing(tenant.id)) throw error
    }
  }

  #isStrict({ grant }: TenantContext, text: string): boolean {
    const strict = this.#strict
    if (strict === 'all' || grant !== undefined) return true
    if (strict.size === 0) return false
    const { tables } = statementFacts(text)
    // What cannot be read may name any table.
    return tables === undefined || tables.some((table) => strict.has(table) || strict.has(table.slice(table.indexOf('.') + 1)))
  }
}

function outcomeOf(error: unknown): AuditOutcome {
  const code = codeOf(error)
  if (refusals.has(code) || refusalStates.has(code)) return 'refused'
  if (error instanceof ConnectionLostError && !error.retryable) return 'unknown'
  return 'failed'
}

function codeOf(error: unknown): string {
  if (error instanceof TenancyError) return error.code
  const { code, name } = error as { code?: unknown; name?: unknown }
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'Error'
}

/** Told apart by their lengths, so that no two lists of values look alike; and another tenant's look different. */
function keysOf({ id }: Tenant, values: readonly unknown[] | undefined): string | undefined {
  if (values === undefined || values.length === 0) return undefined
  let text: string = id
  for (const value of values) {
    const spelled = spell(value)
    text += `\n${spelled.length}:${spelled}`
  }
  return hash('sha256', text, 'hex').slice(0, 16)
}

function spell(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'object':
      if (value === null) return ''
      if (value instanceof Uint8Array) return createHash('sha256').update(value).digest('hex')
      return spellObject(value)
    default:
      return ''
  }
}

function spellObject(value: object): string {
  try {
    return JSON.stringify(value)
  } catch {
    return ''
  }
}
