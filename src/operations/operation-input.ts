// What the journal takes, checked in one place.

import { InvalidInputError, OperationNotFoundError } from '../errors.ts'
import { type OperationId, operationPageMax } from './journal.ts'

const idPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** @throws {OperationNotFoundError} what is no id names no operation. */
export function parseOperationId(text: unknown): OperationId {
  if (typeof text === 'string' && idPattern.test(text)) return text as OperationId
  throw new OperationNotFoundError('Not the id of an operation: it is a lower-case uuid, version 7.')
}

/** @throws {InvalidInputError} */
export function checkedOperationLimit(limit = 100): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= operationPageMax) return limit
  throw new InvalidInputError(`limit is ${limit}. Give a whole number from 1 to ${operationPageMax}.`)
}

/** Longest reason: the journal and the audit trail keep it. */
export const operationReasonLengthMax = 1_000

/** A reason that auditors can read. @throws {InvalidInputError} when one is needed and there is none, or it is not text. */
export function checkedReason(kind: string, reason: unknown, isNeeded: boolean): string {
  if (reason === undefined && !isNeeded) return ''
  if (typeof reason !== 'string' || (isNeeded && reason.trim() === '')) {
    throw new InvalidInputError(`The operation ${kind} needs a reason: it is read by auditors.`)
  }
  if (reason.length > operationReasonLengthMax || !reason.isWellFormed() || reason.includes('\0')) {
    throw new InvalidInputError(`The reason is not a text of at most ${operationReasonLengthMax} characters.`)
  }
  return reason.trim()
}
