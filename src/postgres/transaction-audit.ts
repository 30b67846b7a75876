// What a transaction tells the audit log: its statements, each as it is answered, and how it ended. A read whose transaction is rolled back
// was a read all the same.

import type { TenantContext } from '../core/tenant-context.ts'
import { classify } from './statement.ts'
import type { AuditedCall, StatementAudit } from './statement-audit.ts'

/** How a stream is reported. */
export interface StreamReport {
  done(rows: number): void
  /** @param rows Those that were given out before. */
  failed(error: unknown, rows?: number): void
}

export class TransactionAudit {
  readonly #audit: StatementAudit
  readonly #context: TenantContext
  /** Its name in the log, once something of it is there. */
  #name: string | undefined
  /** The end of what must be recorded before more is sent. */
  #admitting: Promise<void> | undefined

  constructor(audit: StatementAudit, context: TenantContext) {
    this.#audit = audit
    this.#context = context
  }

  get name(): string | undefined {
    return this.#name
  }

  /** Runs a statement and records what became of it. `run` waits for what it is handed before it sends anything. */
  async around<Result extends { readonly rowCount: number | null }>(
    { text, values }: AuditedCall,
    run: (admitted: Promise<void> | undefined) => Promise<Result>,
  ): Promise<Result> {
    const call = this.#named({ text, values })
    try {
      const result = await run(this.#admit(call))
      if (isWorthRecording(text)) this.#audit.done(this.#context, call, result.rowCount)
      else this.#audit.skipped()
      return result
    } catch (error) {
      this.#audit.failed(this.#context, call, error)
      throw error
    }
  }

  /** A stream is recorded when it begins, since its rows are given out for as long as it lasts; and again with their number. */
  async beginStream(stream: AuditedCall): Promise<StreamReport> {
    const call = this.#named(stream)
    const failed = (error: unknown, rows?: number): void => this.#audit.failed(this.#context, call, error, rows)
    try {
      await this.#admit(call)
    } catch (error) {
      // It was begun for whoever waits for the last one to end.
      failed(error)
      throw error
    }
    this.#audit.begun(this.#context, call)
    return { done: (rows) => this.#audit.done(this.#context, call, rows), failed }
  }

  ended(how: 'committed' | 'rolled back', error?: unknown): void {
    if (this.#name !== undefined) this.#audit.ended(this.#context, this.#name, how, error)
  }

  #named({ text, values }: AuditedCall): AuditedCall {
    this.#name ??= this.#audit.nextTransaction()
    return { text, values, transaction: this.#name }
  }

  /** In the order of the calls, since they are sent in that order. */
  #admit(call: AuditedCall): Promise<void> | undefined {
    const before = this.#admitting
    const begin = (): Promise<void> | undefined => this.#audit.begin(this.#context, call)
    const admitted = before === undefined ? begin() : before.then(begin)
    if (admitted === undefined) return undefined
    const settled = admitted
      .catch(() => {})
      .finally(() => {
        if (this.#admitting === settled) this.#admitting = undefined
      })
    this.#admitting = settled
    return admitted
  }
}

/** Savepoints are no access; what goes back to one undoes some. */
function isWorthRecording(text: string): boolean {
  const { kind } = classify(text)
  return kind === 'query' || kind === 'rollback_to'
}
