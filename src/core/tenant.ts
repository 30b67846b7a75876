// What a tenant is, and the one place where text becomes a tenant reference.
// A reference is parsed once, byte for byte, in an ASCII grammar: whatever is not canonical is refused, never folded
// (textual aliases of one id give different cache keys and miss suspension lists).

import { InvalidTenantRefError } from '../errors.ts'
import type { Placement } from './placement.ts'

declare const brand: unique symbol

/** A tenant's id: a lower-case, dashed uuid. For machines: keys, rows, logs. */
export type TenantId = string & { readonly [brand]: 'TenantId' }

/** A tenant's slug: for people and hosts. It may be renamed; nothing is keyed by it. */
export type TenantSlug = string & { readonly [brand]: 'TenantSlug' }

/**
 * `onboarding`: its placement is being made. `suspended` and `offboarding` tenants run no statement: the database refuses,
 * whatever a cache says.
 */
export type TenantStatus = 'onboarding' | 'active' | 'suspended' | 'offboarding'

/** JSON as PostgreSQL's jsonb takes it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** A tenant's keys in tables whose tenant column is not the uuid. Each is one tenant's alone, and set once. */
export interface TenantKeys {
  /** For a column of type bigint: a decimal number in its one spelling. Text, since a number of JavaScript's loses digits. */
  readonly bigint?: string | undefined
  /** For a column of type text collate "C": 1 to 200 characters, compared byte for byte. */
  readonly text?: string | undefined
}

/**
 * The features that an application knows, and their types. Empty here: declare your own.
 *
 * @example
 * ```ts
 * declare module 'partywall' {
 *   interface TenantFeatures { search: boolean; seats: number }
 * }
 * tenancy.current().tenant.features.seats // number | undefined
 * ```
 */
// biome-ignore lint/suspicious/noEmptyInterface: it is there to be merged with.
export interface TenantFeatures {}

/** A tenant, as the catalog has it. */
export interface Tenant {
  readonly id: TenantId
  readonly slug: TenantSlug
  readonly name: string
  readonly plan: string
  readonly region: string
  /** Where its rows live. */
  readonly placement: Placement
  /** The newest migration where its rows live, e.g. `0012`; undefined before the first. */
  readonly version: string | undefined
  /** The tenant above it. */
  readonly parentId: TenantId | undefined
  readonly status: TenantStatus
  /** What the tenant has: the features of its plan, and before them its own. */
  readonly features: Readonly<Partial<TenantFeatures>> & Readonly<Record<string, Json>>
  /** Those that are set for this tenant alone. */
  readonly ownFeatures: Readonly<Record<string, Json>>
  readonly settings: Readonly<Record<string, Json>>
  /** Host names of the tenant's own, lower-case, without a port. */
  readonly domains: readonly string[]
  readonly encryptionKeyId: string | undefined
  /** What tables of an application that existed before know the tenant by. Most tenants have none. */
  readonly keys: TenantKeys
  /** Grows by one at every change of the tenant. What was derived from an older epoch is stale. */
  readonly epoch: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** What a caller gives to name a tenant: its id or its slug. */
export type TenantRef = string

export type ParsedTenantRef = { readonly kind: 'id'; readonly id: TenantId } | { readonly kind: 'slug'; readonly slug: TenantSlug }

/** Longest slug. A DNS label may have 63; 48 leaves room for what is derived from it. */
export const slugLengthMax = 48

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const slugPattern = /^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,47}$/

/** Names that mean something to hosts, to PostgreSQL or to us. */
const reservedSlugs: ReadonlySet<string> = new Set([
  'admin',
  'administrator',
  'all',
  'any',
  'api',
  'app',
  'assets',
  'auth',
  'autoconfig',
  'autodiscover',
  'billing',
  'blog',
  'broadcasthost',
  'cdn',
  'console',
  'constructor',
  'current-user',
  'dashboard',
  'default',
  'docs',
  'ftp',
  'global',
  'health',
  'help',
  'host',
  'imap',
  'information-schema',
  'internal',
  'isatap',
  'localdomain',
  'localhost',
  'login',
  'logout',
  'mail',
  'me',
  'mx',
  'no-reply',
  'nobody',
  'none',
  'noreply',
  'ns',
  'null',
  'oauth',
  'owner',
  'partywall',
  'pop',
  'postgres',
  'postmaster',
  'prototype',
  'proxy',
  'public',
  'ready',
  'root',
  'security',
  'session-user',
  'settings',
  'shared',
  'signup',
  'smtp',
  'ssl',
  'staff',
  'static',
  'status',
  'sudo',
  'superuser',
  'support',
  'system',
  'template',
  'template0',
  'template1',
  'tenant',
  'tenants',
  'test-tenant',
  'undefined',
  'untenanted',
  'user',
  'users',
  'webmaster',
  'well-known',
  'wpad',
  'www',
])

/**
 * Parses a tenant id in its one canonical form (lower-case, dashed).
 *
 * @throws {InvalidTenantRefError} for every other spelling, even of the same uuid.
 */
export function parseTenantId(text: unknown): TenantId {
  if (typeof text === 'string' && uuidPattern.test(text)) return text as TenantId
  throw new InvalidTenantRefError(`Not a tenant id: ${quote(text)}. An id is a lower-case uuid with dashes.`)
}

/**
 * Parses a slug: `[a-z][a-z0-9-]*`, at most 48 characters, no double or trailing dash, no reserved name.
 *
 * @throws {InvalidTenantRefError} otherwise. Nothing is folded, trimmed or normalised first.
 */
export function parseTenantSlug(text: unknown): TenantSlug {
  if (typeof text !== 'string' || !slugPattern.test(text)) {
    throw new InvalidTenantRefError(
      `Not a tenant slug: ${quote(text)}. A slug starts with a letter and has at most ${slugLengthMax} of a-z, 0-9 and single dashes.`,
    )
  }
  if (reservedSlugs.has(text) || text.startsWith('pg-') || text.startsWith('xn--')) {
    throw new InvalidTenantRefError(`The slug ${quote(text)} is reserved.`)
  }
  return text as TenantSlug
}

/**
 * Parses what a caller gave to name a tenant. A uuid is an id; everything else must be a slug.
 *
 * @throws {InvalidTenantRefError}
 */
export function parseTenantRef(text: unknown): ParsedTenantRef {
  if (typeof text === 'string' && uuidPattern.test(text)) return { kind: 'id', id: text as TenantId }
  return { kind: 'slug', slug: parseTenantSlug(text) }
}

/** For messages: bounded and escaped, since the text may be hostile. */
function quote(text: unknown): string {
  if (typeof text !== 'string') return typeof text
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text)
}
