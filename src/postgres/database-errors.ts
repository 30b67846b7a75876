// What the database says, in our words. Errors about the application's own SQL (a missing column, a unique key) stay as pg
// gives them: every ORM knows their codes. https://www.postgresql.org/docs/current/errcodes-appendix.html

import pg from 'pg'
import { missingKey } from '../core/tenant-key.ts'
import {
  BreakGlassRefusedError,
  CapabilityRefusedError,
  ConnectionLostError,
  DatabaseFullError,
  DatabaseUnavailableError,
  NoTenantError,
  OperationInProgressError,
  PolicyViolationError,
  SerializationError,
  StatementRefusedError,
  StatementTimeoutError,
  TenancyError,
  TenantMovingError,
  TenantReadOnlyError,
  TenantSuspendedError,
  TransactionTimeoutError,
  WrongTenantError,
} from '../errors.ts'
import { isConnectionFailure } from './control-pool.ts'

/** What was under way when it failed. */
export interface FailureSituation {
  /** Can the statement have had an effect? A lost connection is retryable only if not. */
  readonly mayHaveWritten: boolean
}

/** Our error for what the database or the socket reported; the same error when it is the application's own. */
export function translate(error: unknown, situation: FailureSituation): unknown {
  if (error instanceof TenancyError || !(error instanceof Error)) return error
  if (error instanceof pg.DatabaseError) return translateDatabaseError(error, situation)
  if (isConnectionFailure(error) || /not queryable|stream|socket/i.test(error.message)) return connectionLost(error, situation)
  return error
}

function connectionLost(error: Error, { mayHaveWritten }: FailureSituation): ConnectionLostError {
  return new ConnectionLostError(
    mayHaveWritten
      ? `The connection broke while a statement that may write was under way: it may have taken effect. ${error.message}`
      : `The connection broke before anything was committed: it is safe to try again. ${error.message}`,
    { cause: error, retryable: !mayHaveWritten },
  )
}

function translateDatabaseError(error: pg.DatabaseError, situation: FailureSituation): Error {
  const options = { cause: error, details: { sqlstate: error.code } }
  switch (error.code) {
    case 'PW001':
      return new NoTenantError('The database has no tenant bound to this transaction.', options)
    case 'PW002':
    case 'PW003':
      return new CapabilityRefusedError(`The database refused the capability: ${error.message}.`, options)
    case 'PW004':
      return new TenantSuspendedError('The database refuses this tenant: it is suspended.', options)
    case 'PW005':
      return new TenantMovingError('The tenant is being moved, or has moved. Try again.', options)
    case 'PW014':
      return new OperationInProgressError(
        `Something else is being done to the tenant: ${error.message}. Try again when it is over.`,
        options,
      )
    case 'PW006':
      return new TenantReadOnlyError('The tenant is read-only at present.', options)
    case 'PW016':
      return new BreakGlassRefusedError('The grant is for reading alone: the database refuses to write by it.', options)
    case 'PW007':
      return new WrongTenantError('Another tenant is bound to this transaction already.', options)
    case 'PW008':
      return missingKey('The tenant has no key of the type of the table’s tenant column', keyTypeIn(error.message), options)
    case '42501':
      return /row-level security/.test(error.message)
        ? new PolicyViolationError(`A policy refused the row: ${error.message}`, options)
        : error
    case '42601':
      return /multiple commands/.test(error.message)
        ? new StatementRefusedError('More than one statement in one text is refused: the second would run outside the lease.', options)
        : error
    case '57014':
      return new StatementTimeoutError(`The statement ran longer than it may: ${error.message}.`, options)
    case '25P03':
    case '25P04':
    case '57P05':
      return new TransactionTimeoutError(`The transaction was open longer than it may: ${error.message}.`, options)
    case '40001':
    case '40P01':
      return new SerializationError(`The transaction collided with another one: ${error.message}. Run all of it again.`, options)
    case '53100':
    case '53200':
    case '53400':
      return new DatabaseFullError(`The database has no room left: ${error.message}.`, options)
    case '53300':
    case '57P03':
      return new DatabaseUnavailableError(`The database takes no connections at present: ${error.message}.`, options)
    case '57P01':
    case '57P02':
      return connectionLost(error, situation)
    default:
      return error
  }
}

/** Of what type the key is that the tenant lacks. */
function keyTypeIn(message: string): string {
  return /type (bigint|text)/.exec(message)?.[1] ?? 'bigint'
}
