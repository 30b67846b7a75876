// What one process recorded for one tenant between two flushes, as the text that the log stores and its chain covers. Who and what are
// said once for all entries that share them: an entry is then some 40 bytes, where it would be 250, and that is most of its price.
//
//   {"v":1,"id":"…","at":"…","by":[context, …],"of":[statement, …],
//    "entries":[[ms since at, by, of, outcome, rows, keys, transaction, error, details], …],"changes":[…]}
//
// An entry ends after its last value that is there. `changes` are written by the database (postgres/sql/wall/0014-audit.sql).

import { InvalidInputError } from '../errors.ts'
import type { AuditContext, AuditEntry, AuditedChange, AuditedStatement, AuditOutcome } from './audit-entry.ts'
import type { Json } from './tenant.ts'

/** What happened, with who and what told apart. */
export interface AuditFact {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly by: AuditContext
  readonly of: AuditedStatement
  readonly outcome: AuditOutcome
  readonly rows?: number | undefined
  readonly keys?: string | undefined
  readonly transaction?: string | undefined
  readonly error?: string | undefined
  readonly details?: Readonly<Record<string, Json>> | undefined
}

/** Longest `details` of one entry, serialised. */
export const auditEntryDetailsMax = 16_384
const textMax = 300

/** Takes entries until it is sealed. Contexts and statements are told apart as objects: whoever shares them hands in the same. */
export class AuditBatch {
  readonly #by = new Map<AuditContext, number>()
  readonly #of = new Map<AuditedStatement, number>()
  #at = 0
  #contexts = ''
  #statements = ''
  #entries = ''
  #count = 0

  get count(): number {
    return this.#count
  }

  /** About so long will the text be, in characters. */
  get size(): number {
    return this.#contexts.length + this.#statements.length + this.#entries.length
  }

  /** Milliseconds since 1970 of its first entry. */
  get at(): number {
    return this.#at
  }

  /** @throws {InvalidInputError} when the details are too long. */
  add(fact: AuditFact): void {
    const details = fact.details === undefined ? undefined : detailsText(fact.details)
    if (this.#count === 0) this.#at = fact.at
    let by = this.#by.get(fact.by)
    if (by === undefined) {
      by = this.#by.size
      this.#by.set(fact.by, by)
      this.#contexts += (by === 0 ? '' : ',') + contextText(fact.by)
    }
    let of = this.#of.get(fact.of)
    if (of === undefined) {
      of = this.#of.size
      this.#of.set(fact.of, of)
      this.#statements += (of === 0 ? '' : ',') + statementText(fact.of)
    }
    // A clock that was set back is not to tell of a time before the batch's own.
    let entry = `${this.#count === 0 ? '' : ','}[${Math.max(0, fact.at - this.#at)},${by},${of},"${fact.outcome}"`
    const { rows, keys, transaction, error } = fact
    if (details !== undefined) {
      entry += `,${rows ?? 'null'},${quotedOrNull(keys)},${quotedOrNull(transaction)},${quotedOrNull(error)},${details}`
    } else if (error !== undefined) entry += `,${rows ?? 'null'},${quotedOrNull(keys)},${quotedOrNull(transaction)},${quotedOrNull(error)}`
    else if (transaction !== undefined) entry += `,${rows ?? 'null'},${quotedOrNull(keys)},${quotedOrNull(transaction)}`
    else if (keys !== undefined) entry += `,${rows ?? 'null'},"${keys}"`
    else if (rows !== undefined) entry += `,${rows}`
    this.#entries += `${entry}]`
    this.#count += 1
  }

  /** The text. @param id A uuid, by which the database knows the batch when it is sent twice. */
  seal(id: string): string {
    return `{"v":1,"id":"${id}","at":"${new Date(this.#at).toISOString()}","by":[${this.#contexts}],"of":[${this.#statements}],"entries":[${this.#entries}]}`
  }
}

/** What stands in a batch that the log has stored. */
interface StoredBatch {
  readonly at: string
  readonly by?: readonly AuditContext[]
  readonly of?: readonly AuditedStatement[]
  readonly entries?: readonly StoredEntry[]
  readonly changes?: readonly StoredChange[]
}

type StoredEntry = readonly [
  ms: number,
  by: number,
  of: number,
  outcome: AuditOutcome,
  rows?: number | null,
  keys?: string | null,
  transaction?: string | null,
  error?: string | null,
  details?: Readonly<Record<string, Json>>,
]

/** A change, with who and when beside it. */
interface StoredChange extends AuditedChange, AuditContext {
  readonly at: string
  readonly operation: string
}

/**
 * The entries of a batch, in their order; changes behind them.
 *
 * @param position Of the batch in the log.
 * @throws {InvalidInputError} when the text is no batch of this version.
 */
export function entriesOf(position: bigint, payload: string): readonly AuditEntry[] {
  const batch = parsedBatch(position, payload)
  const start = Date.parse(batch.at)
  const entries = (batch.entries ?? []).map((entry, index): AuditEntry => {
    const [ms, by, of, outcome, rows, keys, transaction, error, details] = entry
    const optional = { rows, keys, transaction, error, details }
    const there = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined && value !== null))
    return {
      name: `${position}/${index}`,
      at: new Date(start + ms).toISOString(),
      ...(batch.of?.[of] ?? { operation: 'unknown' }),
      outcome,
      ...(batch.by?.[by] ?? { actor: { kind: 'system', id: 'unknown' } }),
      ...there,
    }
  })
  const changes = (batch.changes ?? []).map(({ table, key, before, after, at, operation, ...by }, index): AuditEntry => {
    const change = { table, key, ...(before !== undefined && { before }), ...(after !== undefined && { after }) }
    return { name: `${position}/${entries.length + index}`, at, operation, tables: [table], outcome: 'done', ...by, change }
  })
  return [...entries, ...changes]
}

function parsedBatch(position: bigint, payload: string): StoredBatch {
  let batch: (StoredBatch & { readonly v?: unknown }) | undefined
  try {
    batch = JSON.parse(payload) as StoredBatch
  } catch {}
  if (batch?.v === 1 && !Number.isNaN(Date.parse(batch.at))) return batch
  throw new InvalidInputError(`Position ${position} of the audit log is no batch that this version can read.`)
}

/** Who, as JSON: without what is undefined, in one order. */
export function contextText({ actor, grant, requestId, trace, route, from }: AuditContext): string {
  return JSON.stringify({
    actor: { kind: actor.kind, id: cut(actor.id) },
    grant,
    requestId: requestId === undefined ? undefined : cut(requestId),
    trace: trace === undefined ? undefined : cut(trace),
    route: route === undefined ? undefined : cut(route),
    from: from === undefined ? undefined : cut(from),
  })
}

function statementText({ operation, tables, statement }: AuditedStatement): string {
  return JSON.stringify({ operation: cut(operation), tables: tables?.map(cut), statement })
}

function detailsText(details: Readonly<Record<string, Json>>): string {
  const text = JSON.stringify(details, (_key, value: unknown) => (typeof value === 'string' ? clean(value) : value))
  if (text.length <= auditEntryDetailsMax) return text
  throw new InvalidInputError(`The details of an audit entry are longer than ${auditEntryDetailsMax} characters of JSON.`)
}

function quotedOrNull(text: string | undefined): string {
  return text === undefined ? 'null' : JSON.stringify(cut(text))
}

function cut(text: string): string {
  return clean(text.slice(0, textMax))
}

/** Well-formed, and without NUL, which PostgreSQL does not have. */
function clean(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD')
}
