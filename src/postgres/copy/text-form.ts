// How values become text, fixed: the same row gives the same text on every server, whatever its settings or those of a login.

import type { ControlConnection } from '../control-pool.ts'

const settings = {
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  lc_monetary: 'C',
  xmlbinary: 'base64',
} as const

/** Limits that end a statement or a transaction for its length. A copy takes as long as there are rows; whoever waits has a signal. */
const limits = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout'] as const

/** Fixes it until the end of the transaction: outside of one it does nothing. */
export async function fixTextForm(connection: ControlConnection): Promise<void> {
  const pairs = Object.values(settings).map((_, i) => `set_config($${2 * i + 1}, $${2 * i + 2}, true)`)
  await connection.query(`select ${pairs.join(', ')}`, Object.entries(settings).flat())
}

/** A transaction that may last: until its end nothing of it is ended for taking long. */
export async function liftTimeLimits(connection: ControlConnection): Promise<void> {
  await connection.query(
    `select set_config(s.name, '0', true) from pg_catalog.pg_settings as s where s.name = any ($1) and s.setting <> '0'`,
    [limits],
  )
}
