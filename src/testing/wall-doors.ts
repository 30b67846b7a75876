// The two ways in: a request over HTTP, and SQL as the login that runs the application's statements.

import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { DatabaseUnavailableError, InternalError } from '../errors.ts'
import type { ControlPool } from '../postgres/control-pool.ts'

/** An answer over HTTP. */
export interface WallAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface RequestOptions {
  readonly method?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: unknown
}

/** What one SQL attack got: rows, or an error. */
export type WallOutcome = { readonly rows: readonly object[] } | { readonly sqlstate: string; readonly message: string }

/** What an attacker runs. */
export interface WallAttack {
  /** His own text, values and all; of several statements the last one has the values. */
  readonly texts: readonly string[]
  readonly values?: readonly unknown[] | undefined
  /** What his application would name without a schema is in this one. */
  readonly schema: string
  readonly capability: string | typeof noCapability
}

/** For an attack by nobody. */
export const noCapability = null

const requestTimeoutMs = 10_000
const answerBytesMax = 4_000_000

/** Asks by a token, or as whoever the headers say. */
export async function ask(url: URL, token: string | undefined, options: RequestOptions = {}): Promise<WallAnswer> {
  const body = options.body === undefined ? undefined : JSON.stringify(options.body)
  const headers: Record<string, string> = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(body !== undefined && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
    ...options.headers,
  }
  return await send(url, options.method ?? 'GET', headers, body)
}

/** Runs it with the capability bound as an application would have it, and rolls back. A login that is refused is an outcome too. */
export async function attackOn(pool: ControlPool, attack: WallAttack): Promise<WallOutcome> {
  const { texts, values = [], schema, capability } = attack
  const rolledBack = Symbol('rolled back')
  let rows: readonly object[] = []
  try {
    await pool.transaction(async (connection) => {
      // The name is ours: `app`, or hexadecimal digits (core/placement.ts).
      await connection.query(`set local search_path to ${schema}, pg_temp`)
      if (capability !== noCapability) await connection.query('select partywall.bind($1)', [capability])
      for (const first of texts.slice(0, -1)) await connection.query(first)
      rows = await connection.query(texts.at(-1) ?? '', values)
      throw rolledBack
    })
  } catch (error) {
    if (error === rolledBack) return { rows }
    const { code, message } = (error instanceof DatabaseUnavailableError ? error.cause : error) as {
      readonly code?: unknown
      readonly message?: unknown
    }
    if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return { sqlstate: code, message: String(message) }
    throw error
  }
  return { rows }
}

/** What was got, in a few words. */
export function described(got: WallOutcome): string {
  return 'rows' in got ? `${got.rows.length} rows, ${JSON.stringify(got.rows[0] ?? null).slice(0, 160)}` : `${got.sqlstate} ${got.message}`
}

/** What was answered, in a few words. */
export function said(answer: WallAnswer): string {
  return `${answer.status} ${answer.text.slice(0, 200)}`
}

/** `fetch` would not send a Host of our choice. */
function send(url: URL, method: string, headers: Readonly<Record<string, string>>, body: string | undefined): Promise<WallAnswer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers, agent: false, timeout: requestTimeoutMs }, (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > answerBytesMax) request.destroy(new InternalError(`The answer is longer than ${answerBytesMax} bytes.`))
        chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString('utf8') })
      })
    })
    request.on('timeout', () => request.destroy(new InternalError(`No answer within ${requestTimeoutMs} ms.`)))
    request.on('error', reject)
    request.end(body)
  })
}
