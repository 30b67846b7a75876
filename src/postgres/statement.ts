// What a statement is, judged by its text before it is sent. This is not the wall: the wall is in the policies. It keeps a
// lease from leaving something behind in the session for whoever has the connection next (T E1-E13).

import { LRUCache } from 'lru-cache'
import { StatementRefusedError } from '../errors.ts'

/** A statement that controls a transaction is carried out by the lease, never sent as it stands outside one. */
export type StatementKind = 'query' | 'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'rollback_to' | 'set_transaction'

export interface StatementClass {
  readonly kind: StatementKind
  /** Can it have changed nothing? `with` may hide an insert, and a function that we do not know may write. */
  readonly isReadOnly: boolean
}

const classesMax = 5_000
const classes = new LRUCache<string, StatementClass | string>({ max: classesMax })

/** First words of statements that may run inside the wall. */
const queryWords: ReadonlySet<string> = new Set(['select', 'insert', 'update', 'delete', 'merge', 'with', 'values', 'table', 'show'])
const readOnlyWords: ReadonlySet<string> = new Set(['select', 'values', 'table', 'show'])

/** Why the others may not. Whatever is not named here is refused too, for want of a reason to allow it. */
const refusedWords: ReadonlyMap<string, string> = new Map([
  ['set', 'settings outlive the lease; pass timeouts, isolation and read-only as options'],
  ['reset', 'settings belong to the lease'],
  ['discard', 'the session belongs to the pool'],
  ['listen', 'a subscription outlives the lease and is delivered in somebody else’s context'],
  ['unlisten', 'a subscription outlives the lease'],
  ['notify', 'channels have no owner: every tenant could read and forge them'],
  ['declare', 'a cursor may outlive the lease; use stream()'],
  ['fetch', 'a cursor may outlive the lease; use stream()'],
  ['move', 'a cursor may outlive the lease; use stream()'],
  ['close', 'a cursor may outlive the lease; use stream()'],
  ['prepare', 'statements are prepared already; two-phase commit is not supported'],
  ['execute', 'statements are prepared already'],
  ['deallocate', 'prepared statements belong to the connection'],
  ['copy', 'COPY is not bound to the tenant; use stream() to read and createMany() to write'],
  ['do', 'a code block can end the transaction and set settings'],
  ['call', 'a procedure can end the transaction'],
  ['lock', 'a table lock stops every tenant; use select … for update'],
  ['explain', 'a plan counts other tenants’ rows; run it as the owner'],
  ['truncate', 'TRUNCATE passes by row-level security'],
  ['load', 'it loads code into the server'],
])

/** Functions that would do from inside a SELECT what the statements above are refused for. */
const refusedFunctions: ReadonlySet<string> = new Set([
  'set_config',
  'setseed',
  'pg_notify',
  // Not a function, but the same by another name: an UPDATE of this view is a SET for the whole session.
  'pg_settings',
  // These two run SQL text, as query_to_xml does.
  'ts_stat',
  'ts_rewrite',
  'query_to_xml',
  'query_to_xmlschema',
  'query_to_xml_and_xmlschema',
  'cursor_to_xml',
  'table_to_xml',
  'schema_to_xml',
  'database_to_xml',
  'pg_advisory_lock',
  'pg_advisory_lock_shared',
  'pg_try_advisory_lock',
  'pg_try_advisory_lock_shared',
  'pg_terminate_backend',
  'pg_cancel_backend',
  'dblink',
  'dblink_connect',
  'dblink_exec',
  'dblink_open',
])

/**
 * Classifies a statement. The answer is kept for the last 5,000 texts.
 *
 * @throws {StatementRefusedError} when it may not run inside the wall, with the reason and what to use instead.
 */
export function classify(text: string): StatementClass {
  let found = classes.get(text)
  if (found === undefined) {
    found = inspect(text)
    classes.set(text, found)
  }
  if (typeof found === 'string') throw new StatementRefusedError(found)
  return found
}

/** @returns the class, or the reason for a refusal. */
function inspect(text: string): StatementClass | string {
  if (text.includes('\0')) return 'The statement contains a NUL character.'
  const words = tokens(text)
  if (words === undefined) return 'The statement contains a Unicode-escaped identifier or string (U&…), which hides what it names.'
  const first = words[0]
  if (first === undefined) return { kind: 'query', isReadOnly: true }
  for (const word of words) {
    if (refusedFunctions.has(word))
      return `The function ${word} is refused inside the wall: its effect would outlive the lease or pass by it.`
  }
  const control = transactionControl(words)
  if (control !== undefined) return { kind: control, isReadOnly: true }
  if (queryWords.has(first))
    return { kind: 'query', isReadOnly: readOnlyWords.has(first) && !words.includes('into') && callsOnlyPureFunctions(text) }
  const reason = refusedWords.get(first)
  return reason === undefined
    ? `A statement that starts with ${JSON.stringify(first.slice(0, 40))} is refused inside the wall; schema changes belong in a migration.`
    : `${first.toUpperCase()} is refused inside the wall: ${reason}.`
}

/** Built-in functions, and key words that stand before a parenthesis, which change nothing. Any other may be volatile. */
const pureCalls: ReadonlySet<string> = new Set([
  'all',
  'and',
  'any',
  'array',
  'array_agg',
  'as',
  'avg',
  'by',
  'coalesce',
  'concat',
  'count',
  'current_setting',
  'date_trunc',
  'distinct',
  'exists',
  'extract',
  'filter',
  'from',
  'greatest',
  'in',
  'join',
  'json_agg',
  'jsonb_agg',
  'lateral',
  'least',
  'left',
  'length',
  'limit',
  'lower',
  'max',
  'min',
  'not',
  'now',
  'nullif',
  'on',
  'or',
  'over',
  'partition',
  'pg_sleep',
  'round',
  'row',
  'row_number',
  'select',
  'some',
  'string_agg',
  'substr',
  'substring',
  'sum',
  'then',
  'to_char',
  'trim',
  'union',
  'unnest',
  'upper',
  'using',
  'values',
  'when',
  'where',
])

/** In doubt not: what a comment or a string holds counts as a call too. */
function callsOnlyPureFunctions(text: string): boolean {
  for (const [, name] of text.matchAll(/([\p{L}_][\p{L}\p{N}_$]*)"?\s*\(/gu)) if (!pureCalls.has(name!.toLowerCase())) return false
  return true
}

function transactionControl(words: readonly string[]): StatementKind | undefined {
  const [first, second] = words
  switch (first) {
    case 'begin':
    case 'start':
      return 'begin'
    case 'commit':
    case 'end':
      // COMMIT PREPARED is another thing, and AND CHAIN would begin a transaction without a tenant.
      return second === 'prepared' || words.includes('chain') ? undefined : 'commit'
    case 'rollback':
    case 'abort':
      if (second === 'prepared' || words.includes('chain')) return undefined
      return words.includes('to') ? 'rollback_to' : 'rollback'
    case 'savepoint':
      return 'savepoint'
    case 'release':
      return 'release'
    case 'set':
      return second === 'transaction' && words[2] !== 'snapshot' ? 'set_transaction' : undefined
    default:
      return undefined
  }
}

// To PostgreSQL every byte above 7F is part of a name, and a comment ends at CR as well as at LF.
const tokenPattern =
  /--[^\n\r]*|\/\*|'(?:[^']|'')*'|"((?:[^"]|"")*)"|\$([A-Za-z_\u{80}-\u{10ffff}][A-Za-z0-9_\u{80}-\u{10ffff}]*)?\$|([A-Za-z_\u{80}-\u{10ffff}][A-Za-z0-9_$\u{80}-\u{10ffff}]*)|[0-9][0-9A-Za-z_.]*/gu

/** What may stand between the parts of one string constant: white space with a line break in it, and line comments. */
const continuationPattern = /(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'/y

/**
 * The identifiers and key words of a statement in lower case, without those in comments and strings.
 * Lexical rules: https://www.postgresql.org/docs/current/sql-syntax-lexical.html
 *
 * @returns undefined when the text hides names behind Unicode escapes.
 */
export function tokens(text: string): string[] | undefined {
  const found: string[] = []
  const pattern = new RegExp(tokenPattern)
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const [whole, quoted, dollarTag, word] = match
    if (whole === '/*') pattern.lastIndex = endOfComment(text, pattern.lastIndex)
    else if (quoted !== undefined) found.push(quoted.replaceAll('""', '"'))
    else if (word !== undefined) {
      const next = text[pattern.lastIndex]
      if ((word === 'U' || word === 'u') && next === '&' && /['"]/.test(text[pattern.lastIndex + 1] ?? '')) return undefined
      // E'…' has backslash escapes, so the plain pattern for strings would end it too early.
      if ((word === 'E' || word === 'e') && next === "'") pattern.lastIndex = endOfEscapeString(text, pattern.lastIndex + 1)
      else found.push(word.toLowerCase())
    } else if (whole.startsWith('$')) {
      const close = text.indexOf(`$${dollarTag ?? ''}$`, pattern.lastIndex)
      pattern.lastIndex = close === -1 ? text.length : close + whole.length
    }
  }
  return found
}

/** Comments nest. */
function endOfComment(text: string, from: number): number {
  let depth = 1
  let at = from
  while (depth > 0) {
    const open = text.indexOf('/*', at)
    const close = text.indexOf('*/', at)
    if (close === -1) return text.length
    if (open !== -1 && open < close) {
      depth += 1
      at = open + 2
    } else {
      depth -= 1
      at = close + 2
    }
  }
  return at
}

/** Also past its continuations on later lines: they have backslash escapes too. */
function endOfEscapeString(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at += 1
    else if (text[at] === "'") {
      if (text[at + 1] === "'") at += 1
      else {
        continuationPattern.lastIndex = at + 1
        if (!continuationPattern.test(text)) return at + 1
        at = continuationPattern.lastIndex - 1
      }
    }
  }
  return text.length
}
