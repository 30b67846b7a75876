// What the catalog takes: checked once, before either adapter sees it, so that both refuse the same things with the same
// errors. Whatever passes is a frozen copy: nobody can change it between the check and the write.

import { InvalidInputError } from '../errors.ts'
import type { NewTenant, TenantListOptions, TenantPatch } from './catalog.ts'
import { isolations, mainPlacement, type Placement } from './placement.ts'
import { type Json, parseTenantId, parseTenantSlug, type TenantId, type TenantKeys, type TenantSlug, type TenantStatus } from './tenant.ts'
import { parseTenantDomain } from './tenant-domain.ts'
import { checkedTenantKeys } from './tenant-key.ts'

/** Longest name of a tenant, in UTF-16 code units. */
export const tenantNameLengthMax = 200
/** Most domains of one tenant. */
export const tenantDomainsMax = 50
/** Longest `features` or `settings`, serialised, in UTF-16 code units. */
export const tenantJsonLengthMax = 65_536
/** Deepest nesting of `features` and `settings`. */
export const tenantJsonDepthMax = 16
/** Most tenants on one page. */
export const tenantPageMax = 1_000

/** A new tenant with everything said. */
export interface CheckedNewTenant {
  readonly id: TenantId | undefined
  readonly slug: TenantSlug
  readonly name: string
  readonly plan: string
  readonly region: string
  readonly placement: Placement
  readonly status: TenantStatus
  readonly parentId: TenantId | undefined
  readonly features: Readonly<Record<string, Json>>
  readonly settings: Readonly<Record<string, Json>>
  readonly domains: readonly string[]
  readonly encryptionKeyId: string | undefined
  readonly keys: TenantKeys
}

/** @throws {InvalidInputError | InvalidTenantRefError} naming the field. */
export function checkedNewTenant(input: NewTenant): CheckedNewTenant {
  return {
    id: input.id === undefined ? undefined : parseTenantId(input.id),
    slug: parseTenantSlug(input.slug),
    name: checkedText('name', input.name),
    plan: checkedWord('plan', input.plan ?? 'free'),
    region: checkedWord('region', input.region ?? 'default'),
    placement: checkedPlacement(input.placement ?? mainPlacement),
    status: checkedStatus(input.status ?? 'active'),
    parentId: input.parentId === undefined ? undefined : parseTenantId(input.parentId),
    features: checkedObject('features', input.features ?? {}),
    settings: checkedObject('settings', input.settings ?? {}),
    domains: checkedDomains(input.domains ?? []),
    encryptionKeyId: input.encryptionKeyId === undefined ? undefined : checkedText('encryptionKeyId', input.encryptionKeyId),
    keys: checkedTenantKeys(input.keys ?? {}),
  }
}

/** The patch without what it leaves alone. @throws {InvalidInputError | InvalidTenantRefError} naming the field. */
export function checkedTenantPatch(patch: TenantPatch): TenantPatch {
  const { slug, name, plan, region, placement, parentId, features, settings, domains, encryptionKeyId, keys } = patch
  return {
    ...(slug !== undefined && { slug: parseTenantSlug(slug) }),
    ...(name !== undefined && { name: checkedText('name', name) }),
    ...(plan !== undefined && { plan: checkedWord('plan', plan) }),
    ...(region !== undefined && { region: checkedWord('region', region) }),
    ...(placement !== undefined && { placement: checkedPlacement(placement) }),
    ...(parentId !== undefined && { parentId: parentId === null ? null : parseTenantId(parentId) }),
    ...(features !== undefined && { features: checkedObject('features', features) }),
    ...(settings !== undefined && { settings: checkedObject('settings', settings) }),
    ...(domains !== undefined && { domains: checkedDomains(domains) }),
    ...(encryptionKeyId !== undefined && { encryptionKeyId: checkedText('encryptionKeyId', encryptionKeyId) }),
    ...(keys !== undefined && { keys: checkedTenantKeys(keys) }),
  }
}

/** @throws {InvalidInputError} */
export function checkedStatus(status: unknown): TenantStatus {
  return checkedOneOf('status', statuses, status)
}

/** @throws {InvalidInputError | InvalidTenantRefError} */
export function checkedListOptions(options: TenantListOptions): TenantListOptions & { readonly limit: number } {
  const limit = options.limit ?? 100
  if (!Number.isInteger(limit) || limit < 1 || limit > tenantPageMax) {
    throw new InvalidInputError(`limit is ${limit}. Give a whole number from 1 to ${tenantPageMax}.`)
  }
  return {
    limit,
    after: options.after === undefined ? undefined : parseTenantId(options.after),
    status: options.status === undefined ? undefined : checkedStatus(options.status),
    plan: options.plan === undefined ? undefined : checkedWord('plan', options.plan),
    region: options.region === undefined ? undefined : checkedWord('region', options.region),
    isolation: options.isolation === undefined ? undefined : checkedOneOf('isolation', isolations, options.isolation),
    database: options.database,
    parentId: options.parentId === undefined ? undefined : parseTenantId(options.parentId),
  }
}

/** @throws {InvalidInputError} for an epoch that cannot be one. */
export function checkedEpoch(epoch: number | undefined): number | undefined {
  if (epoch === undefined || (Number.isSafeInteger(epoch) && epoch >= 1)) return epoch
  throw new InvalidInputError(`ifEpoch is ${epoch}. Give the epoch of the tenant as it was read.`)
}

/** @throws {InvalidInputError} unless it is a SHA-256 in hexadecimal digits. */
export function checkedSha256(sha256: unknown): string {
  if (typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256)) return sha256
  throw new InvalidInputError('A SHA-256 has 64 hexadecimal digits, in lower case.')
}

/** @throws {InvalidInputError} unless nobody was ever let in. */
export function assertNeverOpened(tenant: { readonly id: TenantId; readonly status: TenantStatus }): void {
  if (tenant.status === 'onboarding') return
  throw new InvalidInputError(`Tenant ${tenant.id} is ${tenant.status}: only one that is being onboarded is taken back. Off-board it.`)
}

const statuses = ['onboarding', 'active', 'suspended', 'offboarding'] as const
const wordPattern = /^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,47}$/
/** Names that reach a prototype when a plain object is read or merged by key. */
const prototypeKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

const schemaPattern = /^(?:app|t_[0-9a-f]{24})$/
const databasePattern = /^[a-z](?:[a-z0-9_]|-(?=[a-z0-9])){0,62}$/

/** A frozen copy. Whether the place is there, and in the tenant's region, the catalog says. */
function checkedPlacement(placement: Placement): Placement {
  const { isolation, server, database, schema } = placement
  checkedOneOf('placement.isolation', isolations, isolation)
  checkedWord('placement.server', server)
  if (!databasePattern.test(database)) throw new InvalidInputError('placement.database is not the name of a database in the catalog.')
  if (!schemaPattern.test(schema)) throw new InvalidInputError('placement.schema is neither app nor a schema of a tenant’s own.')
  return Object.freeze({ isolation, server, database, schema })
}

function checkedText(field: string, text: unknown): string {
  if (typeof text !== 'string' || text.trim() === '' || text.length > tenantNameLengthMax) {
    throw new InvalidInputError(`${field} is not a text of 1 to ${tenantNameLengthMax} characters.`)
  }
  // PostgreSQL has no NUL, UTF-8 no lone surrogates, and a log line no line breaks.
  if (!text.isWellFormed() || /\p{Cc}/u.test(text)) throw new InvalidInputError(`${field} contains characters that are not text.`)
  return text
}

function checkedWord(field: string, text: unknown): string {
  if (typeof text === 'string' && wordPattern.test(text)) return text
  throw new InvalidInputError(`${field} is not a word of at most 48 of a-z, 0-9 and single dashes, beginning with a letter.`)
}

function checkedOneOf<Value extends string>(field: string, values: readonly Value[], value: unknown): Value {
  const found = values.find((each) => each === value)
  if (found === undefined) throw new InvalidInputError(`${field} is none of ${values.join(', ')}.`)
  return found
}

function checkedDomains(domains: readonly string[]): readonly string[] {
  if (!Array.isArray(domains) || domains.length > tenantDomainsMax) {
    throw new InvalidInputError(`domains is not a list of at most ${tenantDomainsMax} host names.`)
  }
  return Object.freeze([...new Set(domains.map(parseTenantDomain))].sort())
}

function checkedObject(field: string, value: unknown): Readonly<Record<string, Json>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidInputError(`${field} is not a JSON object.`)
  const copy = checkedJson(field, value, 0) as Readonly<Record<string, Json>>
  if (JSON.stringify(copy).length > tenantJsonLengthMax) {
    throw new InvalidInputError(`${field} is longer than ${tenantJsonLengthMax} characters of JSON.`)
  }
  return copy
}

/** A deep, frozen copy of JSON as jsonb takes it: no NUL, no lone surrogates, no NaN, nothing that only looks like JSON. */
function checkedJson(field: string, value: unknown, depth: number): Json {
  if (depth > tenantJsonDepthMax) throw new InvalidInputError(`${field} is nested deeper than ${tenantJsonDepthMax} levels.`)
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (typeof value === 'string') return checkedJsonText(field, value)
  if (Array.isArray(value)) return Object.freeze(value.map((item) => checkedJson(field, item, depth + 1)))
  if (typeof value !== 'object' || !isPlain(value)) throw new InvalidInputError(`${field} contains a value that is not JSON.`)
  const entries = Object.entries(value).map(([key, item]): [string, Json] => {
    if (prototypeKeys.has(key)) throw new InvalidInputError(`${field} contains the key ${JSON.stringify(key)}, which is reserved.`)
    return [checkedJsonText(field, key), checkedJson(field, item, depth + 1)]
  })
  return Object.freeze(Object.fromEntries(entries))
}

function checkedJsonText(field: string, text: string): string {
  if (text.includes('\0') || !text.isWellFormed()) throw new InvalidInputError(`${field} contains characters that jsonb cannot hold.`)
  return text
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
