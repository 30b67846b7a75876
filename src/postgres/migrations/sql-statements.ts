// SQL text read by PostgreSQL's own parser (libpg-query, compiled to WebAssembly): where its statements begin, and what they are.

import type { Node, ParseResult } from '@pgsql/types'
import { MigrationError } from '../../errors.ts'
import { sqlParser } from '../sql-parser.ts'

/** One statement of a file. */
export interface SqlStatement {
  /** Without the semicolon. */
  readonly text: string
  /** Where it begins in the file, in characters. */
  readonly offset: number
  /** The line it begins on, from 1. */
  readonly line: number
  /** Its tree, as PostgreSQL's parser makes it. */
  readonly node: Node
  /** The line of a `location` in the tree. */
  lineAt(location: number | undefined): number
}

/**
 * Splits a text into its statements.
 *
 * @throws {MigrationError} when it is not SQL: the message says where.
 */
export async function sqlStatements(text: string, file: string): Promise<readonly SqlStatement[]> {
  const parsed = await parse(text, file)
  const at = charactersOf(text)
  return (parsed.stmts ?? []).flatMap(({ stmt, stmt_location: begin = 0, stmt_len: length = 0 }) => {
    if (stmt === undefined) return []
    const offset = at(begin)
    const body = length === 0 ? text.slice(offset) : text.slice(offset, at(begin + length))
    const line = lineOf(text, offset)
    return [{ text: body, offset, line, node: stmt, lineAt: (location) => (location === undefined ? line : lineOf(text, at(location))) }]
  })
}

/** The line of a character, from 1. */
export function lineOf(text: string, offset: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line += 1
  return line
}

/** The parser is loaded when the first file is read: a process that migrates nothing never pays for it. */
async function parse(text: string, file: string): Promise<ParseResult> {
  const parser = await sqlParser()
  try {
    return await parser.parse(text)
  } catch (error) {
    if (!parser.hasSqlDetails(error)) throw error
    const line = lineOf(text, error.sqlDetails?.cursorPosition ?? 0)
    throw new MigrationError(`${file}:${line}: ${error.message}.`, { cause: error, details: { file, line } })
  }
}

/** The parser counts in bytes of UTF-8, JavaScript in UTF-16. */
function charactersOf(text: string): (bytes: number) => number {
  const bytes = Buffer.from(text)
  if (bytes.length === text.length) return (offset) => offset
  return (offset) => bytes.subarray(0, offset).toString().length
}
