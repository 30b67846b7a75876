// By what a table knows its tenant: the uuid, or the key of an application that existed before partywall. The one place that
// turns a tenant into the value of a tenant column.

import { ConfigurationError, InvalidInputError } from '../errors.ts'
import type { Tenant, TenantKeys } from './tenant.ts'

/** Types that a tenant column may have. `text` is text collate "C". */
export type TenantKeyType = 'uuid' | 'bigint' | 'text'

/** What a tenant column is compared with. */
export type KeyedTenant = Pick<Tenant, 'id' | 'keys'>

/** Longest text key, in UTF-16 code units. */
export const tenantKeyLengthMax = 200

const keyTypes: ReadonlySet<string> = new Set(['bigint', 'text'] satisfies (keyof TenantKeys)[])
const decimalPattern = /^(?:0|-?[1-9][0-9]{0,18})$/
const bigintMin = -(2n ** 63n)
const bigintMax = 2n ** 63n - 1n

/**
 * The tenant in a column of that type.
 *
 * @throws {ConfigurationError} when the tenant has no key of the type: it has no rows in such a table, and may not be compared
 * with nothing.
 */
export function tenantKey(tenant: KeyedTenant, type: TenantKeyType): string {
  const key = type === 'uuid' ? tenant.id : tenant.keys[type]
  if (key === undefined) throw missingKey(`Tenant ${tenant.id} has no ${type} key`, type)
  return key
}

/** The error for a tenant without a key, from wherever it was noticed. */
export function missingKey(what: string, type: string, options?: ConstructorParameters<typeof ConfigurationError>[1]): ConfigurationError {
  return new ConfigurationError(
    `${what}, by which the table knows its tenants. Give it one: tenancy.tenants.update(tenant, { keys: { ${type}: '…' } }).`,
    options,
  )
}

/**
 * Keys as the catalog takes them: a frozen copy, each in its one spelling.
 *
 * @throws {InvalidInputError} for every other spelling, a number of JavaScript's, and a type that there is not.
 */
export function checkedTenantKeys(keys: unknown): TenantKeys {
  if (typeof keys !== 'object' || keys === null || Array.isArray(keys)) throw new InvalidInputError('keys is not an object.')
  for (const type of Object.keys(keys)) {
    if (!keyTypes.has(type)) throw new InvalidInputError('keys has a type that is neither bigint nor text.')
  }
  const { bigint, text } = keys as TenantKeys
  return Object.freeze({
    ...(bigint !== undefined && { bigint: checkedBigint(bigint) }),
    ...(text !== undefined && { text: checkedKeyText(text) }),
  })
}

/**
 * The keys after a change. A key is set once: a tenant with another one would own other rows.
 *
 * @throws {InvalidInputError} when a key that is set would change.
 */
export function keysWith(before: TenantKeys, patch: TenantKeys): TenantKeys {
  for (const type of ['bigint', 'text'] as const) {
    if (before[type] !== undefined && patch[type] !== undefined && before[type] !== patch[type]) throw keyIsSet()
  }
  return Object.freeze({ ...before, ...patch })
}

/** The error for a key that would change. The key is not repeated. */
export function keyIsSet(options?: ConstructorParameters<typeof InvalidInputError>[1]): InvalidInputError {
  return new InvalidInputError('The tenant has another key already. It is set once: it says which rows are the tenant’s.', options)
}

function checkedBigint(value: unknown): string {
  if (typeof value === 'string' && decimalPattern.test(value)) {
    const number = BigInt(value)
    if (number >= bigintMin && number <= bigintMax) return value
  }
  throw new InvalidInputError('keys.bigint is not a string with a decimal number of 64 bits, without leading zeros or a plus.')
}

function checkedKeyText(value: unknown): string {
  if (typeof value !== 'string' || value.trim() === '' || value.length > tenantKeyLengthMax) {
    throw new InvalidInputError(`keys.text is not a text of 1 to ${tenantKeyLengthMax} characters.`)
  }
  // PostgreSQL has no NUL, UTF-8 no lone surrogates, and a log line no line breaks.
  if (!value.isWellFormed() || /\p{Cc}/u.test(value)) throw new InvalidInputError('keys.text contains characters that are not text.')
  return value
}
