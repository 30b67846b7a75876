// For pino: each line says for which tenant and request it was written, and holds nothing personal.

import type { Logger, LoggerOptions } from 'pino'
import { type RedactionOptions, Redactor } from '../core/redaction.ts'
import type { TenantContext, TenantScope } from '../core/tenant-context.ts'

export interface TenantLoggingOptions {
  readonly tenancy: { readonly scope: TenantScope }
  /** What is redacted, besides what always is. False: nothing at all. */
  readonly redact?: RedactionOptions | false | undefined
}

/** What a line has of the context in which it was written. */
interface LineContext {
  readonly tenantId?: string
  readonly requestId?: string | undefined
  readonly traceId?: string | undefined
  readonly spanId?: string | undefined
}

/**
 * Options for `pino()`: every line that is written in a tenant's scope has `tenantId`, `requestId`, `traceId` and `spanId`, whoever writes
 * it, and no line has an address, a token, a key or a password in it, whether as a field, in a message, in an error or in what a child is
 * bound to. What the line itself says of these four does not count.
 *
 * @example
 * ```ts
 * const log = pino(tenantLogging({ tenancy, redact: { fields: ['documents.title'] } }))
 * const app = Fastify({ loggerInstance: log })
 * ```
 */
export function tenantLogging({ tenancy, redact = {} }: TenantLoggingOptions): LoggerOptions {
  const mixin = (_line: object, _level: number, logger: Logger): object => contextOf(tenancy.scope.tryCurrent(), logger)
  // The scope knows better than the caller.
  const mixinMergeStrategy = (line: object, own: object): object => ({ ...line, ...own })
  if (redact === false) return { mixin, mixinMergeStrategy }
  const redactor = new Redactor(redact)
  const copied = (fields: Record<string, unknown>): Record<string, unknown> => {
    const copy: Record<string, unknown> = {}
    for (const name in fields) {
      const value = fields[name]
      if (serialized.has(name)) copy[name] = value
      else if (value instanceof Error) copy[name] = redactor.error(value)
      else copy[name] = redactor.field(name, value)
    }
    return copy
  }
  return {
    mixin,
    mixinMergeStrategy,
    formatters: { log: copied, bindings: copied },
    // The whole line: messages, and what serializers have made.
    hooks: { streamWrite: (line) => redactor.text(line) },
  }
}

/** What Fastify and pino-http hand to serializers: requests and answers of Node's, which nobody can copy. Their lines are read as all are. */
const serialized: ReadonlySet<string> = new Set(['req', 'res'])

/** Of loggers that are bound to a tenant, as those of a request are: the same key twice in a line is read by nobody twice in the same way. */
const boundTo = new WeakMap<Logger, unknown>()
const none: LineContext = Object.freeze({})
const lines = new WeakMap<TenantContext, LineContext>()

function contextOf(context: TenantContext | undefined, logger: Logger): LineContext {
  if (context === undefined) return none
  let line = lines.get(context)
  if (line === undefined) {
    const [, traceId, spanId] = context.trace?.traceparent.split('-') ?? []
    const { requestId } = context
    line = { tenantId: context.tenant.id, ...(requestId !== undefined && { requestId }), ...(traceId !== undefined && { traceId, spanId }) }
    lines.set(context, line)
  }
  if (!boundTo.has(logger)) boundTo.set(logger, logger.bindings()['tenantId'])
  if (boundTo.get(logger) !== context.tenant.id) return line
  const { tenantId: _, ...rest } = line
  return rest
}
