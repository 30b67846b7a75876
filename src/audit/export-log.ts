// A tenant's log as a file, with a manifest beside it that says what is in it, signed.
//
// `jsonl`: the rows as the log has them, one a line: `partywall audit verify --file` judges it without any database. The others are
// entries, to be read: `entries` (JSON Lines), `csv`, and `ocsf` (JSON Lines).

import { createHash, type KeyObject, sign, verify } from 'node:crypto'
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { entriesOf } from '../core/audit-batch.ts'
import type { AuditEntry } from '../core/audit-entry.ts'
import { parseTenantId, type Tenant, type TenantId } from '../core/tenant.ts'
import { EvidenceInvalidError, InvalidInputError } from '../errors.ts'
import type { AuditRow } from './chain.ts'
import { type AuditFilter, assertFilter, matches } from './entry-filter.ts'
import type { OpenLog } from './log-source.ts'
import { ocsfEvent } from './ocsf.ts'
import { type HeadKeys, isHash, isPosition, isSignedHead, keyId, type SignedHead } from './signed-head.ts'
import { type AuditVerdict, verifyLog } from './verify-log.ts'

export const exportFormats = ['jsonl', 'entries', 'csv', 'ocsf'] as const
export type ExportFormat = (typeof exportFormats)[number]

/** What stands beside the file, as `<file>.manifest.json`. */
export interface ExportManifest {
  readonly v: 1
  readonly tenant: TenantId
  readonly slug: string
  readonly format: ExportFormat
  readonly at: string
  /** Positions of the first and the last row that was read; null of an empty log. */
  readonly first: string | null
  readonly last: string | null
  /** Rows in a `jsonl`, entries in the others. */
  readonly count: number
  /** Of the last row, hexadecimal. */
  readonly head: string | null
  /** Of the file's bytes, hexadecimal. */
  readonly sha256: string
  readonly anchors: readonly SignedHead[]
  readonly key: string
  /** Ed25519 over the rest, base64url. */
  readonly signature: string
}

export interface ExportInput {
  readonly tenant: Tenant
  readonly log: OpenLog
  readonly to: string
  readonly format: ExportFormat
  /** Of entries. A `jsonl` has all rows: with some left out it could not be verified. */
  readonly filter?: AuditFilter | undefined
  readonly anchors: readonly SignedHead[]
  readonly key: KeyObject
  readonly at: Date
  readonly product: string
}

const csvColumns = [
  'name',
  'at',
  'operation',
  'outcome',
  'actor_kind',
  'actor_id',
  'tables',
  'rows',
  'keys',
  'statement',
  'transaction',
  'error',
  'grant',
  'request_id',
  'route',
  'from',
  'change',
  'details',
] as const

/**
 * Writes the file and its manifest. Neither is there under its name before it is whole.
 *
 * @throws {InvalidInputError} for a filter with `jsonl`.
 */
export async function exportLog(input: ExportInput): Promise<ExportManifest> {
  const { tenant, log, to, format, filter = {}, anchors, key, at, product } = input
  assertFilter(filter)
  if (format === 'jsonl' && Object.values(filter).some((value) => value !== undefined)) {
    throw new InvalidInputError(
      'A jsonl export has all rows: with some left out it could not be verified. Filter an export of entries, csv or ocsf.',
    )
  }
  const part = `${to}.part`
  const manifestPart = `${manifestPath(to)}.part`
  const hash = createHash('sha256')
  const file = await open(part, 'w', 0o600)
  let first: bigint | null = null
  let last: AuditRow | undefined
  let count = 0
  try {
    const write = async (text: string): Promise<void> => {
      if (text === '') return
      hash.update(text)
      // Unlike `write`, it goes on until all of it is written.
      await file.appendFile(text)
    }
    if (format === 'csv') await write(`${csvColumns.join(',')}\r\n`)
    for await (const rows of log.rows()) {
      let text = ''
      for (const row of rows) {
        first ??= row.position
        last = row
        const lines = linesOf(row, format, filter, tenant, product)
        count += lines.length
        text += lines.join('')
      }
      await write(text)
    }
    await file.sync()
  } catch (error) {
    await file.close()
    await rm(part, { force: true })
    throw error
  }
  await file.close()
  const unsigned = {
    v: 1,
    tenant: tenant.id,
    slug: tenant.slug,
    format,
    at: at.toISOString(),
    first: first === null ? null : String(first),
    last: last === undefined ? null : String(last.position),
    count,
    head: last === undefined ? null : last.hash.toString('hex'),
    sha256: hash.digest('hex'),
    anchors,
    key: keyId(key),
  } as const
  const manifest: ExportManifest = { ...unsigned, signature: sign(null, signedBytes(unsigned), key).toString('base64url') }
  try {
    await writeFile(manifestPart, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600, flush: true })
    // The manifest speaks of the file, so it comes last: a file without one is verified by nobody.
    await rename(part, to)
    await rename(manifestPart, manifestPath(to))
  } catch (error) {
    await Promise.all([part, manifestPart].map(async (path) => await rm(path, { force: true })))
    throw error
  }
  return manifest
}

/** What a file is found to be. */
export interface FileVerdict {
  readonly manifest: ExportManifest
  /** `unknown-key`: none of the keys that were given signed the manifest. */
  readonly manifestIs: 'genuine' | 'unknown-key' | 'forged'
  readonly isWhole: boolean
  /** Of a `jsonl`: the log that is in it. The others can only be compared with their manifest. */
  readonly log: AuditVerdict | undefined
}

/**
 * Judges an export by its manifest, and a `jsonl` as a log, without a database and without partywall's secrets.
 *
 * @param keys public keys, from somewhere else than the file.
 * @param anchors of the log, from where they are kept. Default: those in the manifest, which are judged by the keys as well.
 * @throws {EvidenceInvalidError} when there is no manifest that can be read beside it, or a line is no row.
 */
export async function verifyExport(path: string, keys: HeadKeys, anchors?: readonly SignedHead[]): Promise<FileVerdict> {
  const manifest = await readManifest(path)
  const { signature, ...unsigned } = manifest
  const key = keys.get(manifest.key)
  const isGenuine = key !== undefined && verify(null, signedBytes(unsigned), key, Buffer.from(signature, 'base64url'))
  const manifestIs = key === undefined ? 'unknown-key' : isGenuine ? 'genuine' : 'forged'
  const hash = createHash('sha256')
  const lines = linesIn(path, hash)
  let log: AuditVerdict | undefined
  if (manifest.format === 'jsonl') {
    log = await verifyLog({ tenant: manifest.tenant, batches: rowsIn(lines), anchors: anchors ?? manifest.anchors, keys })
  } else for await (const _ of lines);
  return { manifest, manifestIs, isWhole: hash.digest('hex') === manifest.sha256, log }
}

function linesOf(row: AuditRow, format: ExportFormat, filter: AuditFilter, tenant: Tenant, product: string): readonly string[] {
  if (format === 'jsonl') {
    const { position, at, payload, hash } = row
    return [`${JSON.stringify({ position: String(position), at, hash: hash.toString('hex'), payload })}\n`]
  }
  const entries = entriesOf(row.position, row.payload).filter((entry) => matches(entry, filter))
  switch (format) {
    case 'entries':
      return entries.map((entry) => `${JSON.stringify(entry)}\n`)
    case 'ocsf':
      return entries.map((entry) => `${JSON.stringify(ocsfEvent(entry, tenant, product))}\n`)
    case 'csv':
      return entries.map((entry) => `${csvCells(entry).map(csvCell).join(',')}\r\n`)
  }
}

function csvCells(entry: AuditEntry): readonly (string | number | undefined)[] {
  const { name, at, operation, outcome, actor, tables, rows, keys, statement, transaction, error, grant, requestId, route, from } = entry
  const json = (value: unknown): string | undefined => (value === undefined ? undefined : JSON.stringify(value))
  return [
    name,
    at,
    operation,
    outcome,
    actor.kind,
    actor.id,
    tables?.join(' '),
    rows,
    keys,
    statement,
    transaction,
    error,
    grant,
    requestId,
    route,
    from,
    json(entry.change),
    json(entry.details),
  ]
}

/** RFC 4180. What a spreadsheet would take for a formula is quoted with an apostrophe (OWASP, CSV injection). */
function csvCell(value: string | number | undefined): string {
  if (value === undefined) return ''
  if (typeof value === 'number') return String(value)
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

async function* linesIn(path: string, hash: ReturnType<typeof createHash>): AsyncGenerator<string, void, void> {
  const file = await open(path, 'r')
  try {
    let rest = Buffer.alloc(0)
    for await (const chunk of file.createReadStream({ autoClose: false, highWaterMark: 1_048_576 })) {
      const bytes = chunk as Buffer
      hash.update(bytes)
      const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
      const end = all.lastIndexOf(10)
      if (end !== -1) for (const line of all.toString('utf8', 0, end).split('\n')) yield line
      rest = Buffer.from(all.subarray(end + 1))
    }
    if (rest.length > 0) yield rest.toString('utf8')
  } finally {
    await file.close()
  }
}

async function* rowsIn(lines: AsyncIterable<string>): AsyncGenerator<readonly AuditRow[], void, void> {
  let number = 0
  for await (const line of lines) {
    number += 1
    yield [rowIn(line, number)]
  }
}

function rowIn(line: string, number: number): AuditRow {
  try {
    const { position, at, hash, payload } = JSON.parse(line) as Record<string, unknown>
    if (isPosition(position) && typeof at === 'string' && isHash(hash) && typeof payload === 'string') {
      return { position: BigInt(position), at, hash: Buffer.from(hash, 'hex'), payload }
    }
  } catch {}
  throw new EvidenceInvalidError(`Line ${number} of the export is no row of an audit log.`)
}

async function readManifest(path: string): Promise<ExportManifest> {
  const found = manifestPath(path)
  const text = await readFile(found, 'utf8').catch((cause: unknown) => {
    throw new EvidenceInvalidError(`There is no ${found} that can be read: a file is verified by the manifest beside it.`, { cause })
  })
  try {
    const manifest: unknown = JSON.parse(text)
    if (isManifest(manifest)) return manifest
  } catch {}
  throw new EvidenceInvalidError(`${found} is no manifest of an audit log that this version can read.`)
}

function isManifest(value: unknown): value is ExportManifest {
  if (typeof value !== 'object' || value === null) return false
  const { v, tenant, slug, format, at, first, last, count, head, sha256, anchors, key, signature } = value as Record<string, unknown>
  return (
    v === 1 &&
    parseTenantId(tenant) === tenant &&
    [slug, at, key, signature].every((text) => typeof text === 'string') &&
    exportFormats.some((known) => known === format) &&
    [first, last].every((position) => position === null || isPosition(position)) &&
    Number.isSafeInteger(count) &&
    (head === null || isHash(head)) &&
    isHash(sha256) &&
    Array.isArray(anchors) &&
    anchors.every(isSignedHead)
  )
}

function manifestPath(path: string): string {
  return `${path}.manifest.json`
}

/** In one order of fields, behind a name. */
function signedBytes(manifest: Omit<ExportManifest, 'signature'>): Buffer {
  const { v, tenant, slug, format, at, first, last, count, head, sha256, anchors, key } = manifest
  return Buffer.from(
    `partywall audit export\n${JSON.stringify([v, tenant, slug, format, at, first, last, count, head, sha256, anchors, key])}`,
  )
}
