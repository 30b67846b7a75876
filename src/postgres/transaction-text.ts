// Transaction control as SQL text, for clients that speak it (every ORM does). The text is read, never sent as it stands:
// what is understood becomes an option of the transaction, and whatever is left over is refused, not dropped.
// https://www.postgresql.org/docs/current/sql-begin.html

import { StatementRefusedError } from '../errors.ts'
import { tokens } from './statement.ts'
import type { IsolationLevel, TransactionOptions } from './transaction-options.ts'

/** What BEGIN, START TRANSACTION or SET TRANSACTION asks for. */
export interface TransactionModes {
  readonly options: TransactionOptions
  /** The same as SQL, in PostgreSQL's spelling. */
  readonly sql: string
}

const isolationLevels: ReadonlyMap<string, IsolationLevel> = new Map<string, IsolationLevel>([
  ['serializable', 'serializable'],
  ['repeatable read', 'repeatable read'],
  ['read committed', 'read committed'],
  // PostgreSQL treats the two alike.
  ['read uncommitted', 'read committed'],
])

/**
 * Reads the modes of BEGIN, START TRANSACTION or SET TRANSACTION.
 *
 * @throws {StatementRefusedError} when something in the text is not a mode, a second statement for one.
 */
export function readModes(text: string): TransactionModes {
  const [first, second, ...others] = wordsOf(text)
  const isNoise = first !== 'begin' || second === 'work' || second === 'transaction'
  const words = second === undefined || isNoise ? others : [second, ...others]
  const options: { isolation?: IsolationLevel; readOnly?: boolean; deferrable?: boolean } = {}
  const sql: string[] = []
  while (words.length > 0) {
    const found = takeMode(words, options)
    if (found === undefined) throw refused(text)
    sql.push(found)
  }
  return { options, sql: sql.join(' ') }
}

/** @throws {StatementRefusedError} when the text says more than COMMIT or ROLLBACK, a second statement for one. */
export function assertEndsHere(text: string): void {
  const [, second, ...others] = wordsOf(text)
  const isPlain = second === undefined || second === 'work' || second === 'transaction'
  if (!isPlain || others.length > 0) throw refused(text)
}

/** Takes one mode off the front of the words. */
function takeMode(words: string[], options: { isolation?: IsolationLevel; readOnly?: boolean; deferrable?: boolean }): string | undefined {
  const [first, second] = words
  if (first === 'isolation' && second === 'level') {
    for (const [name, level] of isolationLevels) {
      const parts = name.split(' ')
      if (!parts.every((part, i) => words[i + 2] === part)) continue
      words.splice(0, 2 + parts.length)
      options.isolation = level
      return `isolation level ${level}`
    }
    return undefined
  }
  if (first === 'read' && (second === 'only' || second === 'write')) {
    words.splice(0, 2)
    options.readOnly = second === 'only'
    return `read ${second}`
  }
  if (first === 'deferrable' || (first === 'not' && second === 'deferrable')) {
    options.deferrable = first === 'deferrable'
    words.splice(0, first === 'not' ? 2 : 1)
    return options.deferrable ? 'deferrable' : 'not deferrable'
  }
  return undefined
}

function wordsOf(text: string): string[] {
  const words = tokens(text)
  // A string or a number says nothing in these statements: whoever writes one means something else.
  if (words === undefined || /['0-9$]/.test(text.replaceAll(/--[^\n]*|\/\*.*?\*\//gs, ''))) throw refused(text)
  return words
}

function refused(text: string): StatementRefusedError {
  return new StatementRefusedError(
    `Not understood as transaction control, and refused for that: ${JSON.stringify(text.slice(0, 200))}. Send one statement at a time.`,
  )
}
