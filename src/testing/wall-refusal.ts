// What counts as a refusal in SQL.

import { InternalError } from '../errors.ts'
import { described, type WallOutcome } from './wall-doors.ts'

/**
 * SQLSTATEs with which PostgreSQL and the wall refuse: 42501 privilege or policy, 22P02 not a capability, PWnnn ours. Any
 * other error could be the attempt's own fault, and proves nothing.
 */
const refusals = ['42501', '22P02', 'PW001', 'PW002', 'PW003', 'PW004', 'PW005', 'PW007']
/** With which PostgreSQL refuses a login: no privilege to connect, no such login or not its password, no line in pg_hba.conf. */
const loginRefusals = ['42501', '28P01', '28000']

/**
 * @returns undefined for a refusal; else what was got.
 * @throws {InternalError} when the attempt failed by itself.
 */
export function refusal(got: WallOutcome): string | undefined {
  return judged(got, refusals)
}

/** The same of a login. */
export function loginRefusal(got: WallOutcome): string | undefined {
  return judged(got, loginRefusals)
}

function judged(got: WallOutcome, states: readonly string[]): string | undefined {
  if ('rows' in got) return described(got)
  if (states.includes(got.sqlstate)) return undefined
  throw new InternalError(`The attempt failed by itself: ${described(got)}`)
}
