// How values become text, fixed: the same row gives the same text on every server, whatever its settings or those of a login.

import type { ControlConnection } from '../control-pool.ts'
import { quoted } from '../table-shape.ts'

const textForm = `
  set local DateStyle = 'ISO, YMD';
  set local IntervalStyle = 'postgres';
  set local TimeZone = 'UTC';
  set local extra_float_digits = 1;
  set local bytea_output = 'hex';
  set local lc_monetary = 'C';
  set local xmlbinary = 'base64'`

/** Limits that end a statement or a transaction for its length. A copy takes as long as there are rows; whoever waits has a signal. */
const limits = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout'] as const

/** Fixes it until the end of the transaction: outside of one it does nothing. */
export async function fixTextForm(connection: ControlConnection): Promise<void> {
  await connection.query(textForm)
}

/** A transaction that may last: until its end nothing of it is ended for taking long. */
export async function liftTimeLimits(connection: ControlConnection): Promise<void> {
  // Not every version of PostgreSQL has all of them.
  const set = await connection.query<{ name: string }>(
    `select s.name from pg_catalog.pg_settings as s where s.name = any ($1) and s.setting <> '0'`,
    [limits],
  )
  if (set.length > 0) await connection.query(set.map(({ name }) => `set local ${quoted(name)} = 0`).join('; '))
}
