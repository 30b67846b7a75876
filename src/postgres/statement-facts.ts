// What a statement is, for the audit log: its operation, the tables it names and a fingerprint, by PostgreSQL's own parser. Each text is
// parsed once; after that it is a look into a map.

import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { AuditedStatement } from '../core/audit-entry.ts'
import { sqlParser } from './sql-parser.ts'

type Parser = Pick<typeof import('libpg-query'), 'parseSync' | 'fingerprintSync'>

const factsMax = 5_000
/** Past it a text is told by its beginning and its hash alone: the parser would take as much memory as the text is long, several times. */
const parsedLengthMax = 100_000
const facts = new LRUCache<string, AuditedStatement>({ max: factsMax })
let parser: Parser | undefined

/** Loads the parser. What is asked for before that has no tables. */
export async function loadStatementParser(): Promise<void> {
  if (parser !== undefined) return
  parser = await sqlParser()
  facts.clear()
}

/** The facts of a text; the same object for the same text, as long as it is remembered. */
export function statementFacts(text: string): AuditedStatement {
  const known = facts.get(text)
  if (known !== undefined) return known
  const found = Object.freeze(factsOf(text))
  facts.set(text, found)
  return found
}

function factsOf(text: string): AuditedStatement {
  if (parser !== undefined && text.length <= parsedLengthMax) {
    try {
      const tree = parser.parseSync(text)
      const seen: Seen = { tables: new Set(), expressions: new Set(), operation: undefined }
      walk(tree, seen)
      const tables = [...seen.tables].filter((name) => !seen.expressions.has(name)).sort()
      return { operation: seen.operation ?? firstWord(text), tables, statement: parser.fingerprintSync(text) }
    } catch {
      // What PostgreSQL's own parser does not take, PostgreSQL will refuse: it is recorded as what it was.
    }
  }
  return { operation: firstWord(text), statement: createHash('sha256').update(text).digest('hex').slice(0, 16) }
}

interface Seen {
  readonly tables: Set<string>
  /** Names of common table expressions: they hide tables of the same name. */
  readonly expressions: Set<string>
  operation: string | undefined
}

const writing: Readonly<Record<string, string>> = {
  InsertStmt: 'insert',
  UpdateStmt: 'update',
  DeleteStmt: 'delete',
  MergeStmt: 'merge',
}

function walk(node: unknown, seen: Seen): void {
  if (Array.isArray(node)) {
    for (const item of node) walk(item, seen)
    return
  }
  if (typeof node !== 'object' || node === null) return
  const { relname, schemaname, ctename } = node as { relname?: unknown; schemaname?: unknown; ctename?: unknown }
  if (typeof relname === 'string') seen.tables.add(typeof schemaname === 'string' ? `${schemaname}.${relname}` : relname)
  if (typeof ctename === 'string') seen.expressions.add(ctename)
  for (const [key, value] of Object.entries(node)) {
    // What writes, wherever it stands, says more than the SELECT around it; the outermost says most.
    const operation = writing[key] ?? (key === 'SelectStmt' ? 'select' : undefined)
    if (operation !== undefined && (seen.operation === undefined || (seen.operation === 'select' && operation !== 'select'))) {
      seen.operation = operation
    }
    walk(value, seen)
  }
}

function firstWord(text: string): string {
  return /^\s*([a-z]{1,20})\b/i.exec(text)?.[1]?.toLowerCase() ?? 'statement'
}
