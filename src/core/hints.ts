// Hints: where a request says which tenant it is for. A hint proves nothing; it selects among the tenants that the verified
// identity belongs to, and must agree with them. Hints are read from the raw request, byte for byte, in an ASCII grammar and
// without a URL parser: `new URL()` makes acme of ａｃｍｅ, %61cme and a soft hyphen.

import { ConfigurationError, InvalidHintError } from '../errors.ts'
import type { TenantLookup } from './catalog.ts'
import { type HttpRequest, headerValues, rawPath } from './http-request.ts'
import { parseTenantRef, parseTenantSlug } from './tenant.ts'

/** What one reader found. */
export interface TenantHint {
  readonly source: 'host' | 'header' | 'path'
  readonly lookup: TenantLookup
}

/**
 * Reads one hint.
 *
 * @returns undefined when the request has no such hint.
 * @throws {InvalidHintError} when it has one that is malformed, or several.
 */
export type HintReader = (request: HttpRequest) => TenantHint | undefined

/**
 * The tenant's slug as the label in front of `suffix`: `acme.app.example.com` for `subdomain('app.example.com')`.
 * The suffix itself and hosts elsewhere are no hint; `except` lists labels of your own, e.g. `www`.
 *
 * @example
 * ```ts
 * import { subdomain } from 'partywall'
 *
 * const hints = [subdomain('app.example.com', { except: ['www', 'api'] })]
 * ```
 */
export function subdomain(suffix: string, options: { readonly except?: readonly string[] | undefined } = {}): HintReader {
  requireDomain(suffix)
  const except = new Set(options.except ?? [])
  return function subdomainHint(request) {
    const host = hostName(request)
    if (host === undefined || !host.endsWith(`.${suffix}`)) return undefined
    const label = host.slice(0, -suffix.length - 1)
    if (except.has(label)) return undefined
    return { source: 'host', lookup: { kind: 'slug', slug: malformed(() => parseTenantSlug(label), 'The host') } }
  }
}

/** A host name of the tenant's own. `own` lists your domains: they and everything under them are no hint, nor are addresses. */
export function customDomain(options: { readonly own: readonly string[] }): HintReader {
  for (const domain of options.own) requireDomain(domain)
  return function customDomainHint(request) {
    const host = hostName(request)
    if (host === undefined || !host.includes('.') || /^[0-9.]+$/.test(host) || host.startsWith('[')) return undefined
    if (options.own.some((domain) => host === domain || host.endsWith(`.${domain}`))) return undefined
    return { source: 'host', lookup: { kind: 'domain', domain: host } }
  }
}

/** The tenant's id or slug in a header; `X-Tenant-ID` by default. */
export function header(name = 'x-tenant-id'): HintReader {
  const key = name.toLowerCase()
  if (!/^[a-z0-9-]{1,64}$/.test(key)) throw new ConfigurationError(`${JSON.stringify(name)} is not a header name for a hint.`)
  return function headerHint(request) {
    const [only, ...more] = headerValues(request, key)
    if (only === undefined) return undefined
    if (more.length > 0) throw new InvalidHintError(`The header ${key} is given ${more.length + 1} times.`)
    return { source: 'header', lookup: malformed(() => parseTenantRef(only), `The header ${key}`) }
  }
}

/**
 * The tenant's id or slug as a segment of the path: `path('/t/:tenant')` reads `/t/acme/documents`.
 * A path that only *decodes* to the pattern is refused: a router may follow it where we would not.
 */
export function path(pattern: `/${string}`): HintReader {
  const segments = pattern.split('/').slice(1)
  const at = segments.indexOf(':tenant')
  if (at === -1 || segments.some((segment, index) => index !== at && !/^[a-z0-9._-]+$/i.test(segment))) {
    throw new ConfigurationError(
      `${JSON.stringify(pattern)} is not a path for a hint. Write plain segments and one :tenant, e.g. /t/:tenant.`,
    )
  }
  return function pathHint(request) {
    const asked = rawPath(request.target)
    if (!asked.startsWith('/')) throw new InvalidHintError('The request target is not a path.')
    const canonical = asked.split('/').slice(1)
    const read = canonicalReading(asked)
    const matches = (parts: readonly string[], fold: (text: string) => string) =>
      segments.every((segment, index) => (index === at ? parts[index] !== undefined : fold(parts[index] ?? '') === fold(segment)))
    // Only the segments of the pattern must be canonical; what follows is the application's, escapes and all.
    if (matches(canonical, (text) => text) && segments.every((_, index) => canonical[index] === read[index])) {
      return { source: 'path', lookup: malformed(() => parseTenantRef(canonical[at]), 'The path') }
    }
    if (matches(read, (text) => text.toLowerCase()) || matches(canonical, (text) => text.toLowerCase())) {
      throw new InvalidHintError('The path names a tenant in another than its canonical form.')
    }
    return undefined
  }
}

/** Every hint of a request. */
export function readHints(readers: readonly HintReader[], request: HttpRequest): readonly TenantHint[] {
  return readers.map((read) => read(request)).filter((hint) => hint !== undefined)
}

const hostPattern =
  /^(?:\[[0-9a-f:.]{2,45}\]|(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?::[0-9]{1,5})?$/
const hostLengthMax = 253 + ':65535'.length

/**
 * The host that the client asked for, lower-case and without its port; X-Forwarded-Host only from a trusted proxy.
 *
 * @throws {InvalidHintError} when it is given twice or is not a host name: trailing dots, escapes, user info, non-ASCII.
 */
function hostName(request: HttpRequest): string | undefined {
  const forwarded = request.throughTrustedProxy ? headerValues(request, 'x-forwarded-host') : []
  const hosts = [...headerValues(request, 'host'), ...headerValues(request, ':authority')]
  if (hosts.length > 1 || forwarded.length > 1) throw new InvalidHintError('The request has more than one host.')
  const raw = forwarded[0] ?? hosts[0]
  if (raw === undefined) return undefined
  // The grammar is checked before the case is folded: some letters outside of ASCII fold into it (the Kelvin sign, to k).
  if (raw.length > hostLengthMax || !/^[\x21-\x7e]+$/.test(raw))
    throw new InvalidHintError('The host has characters that no host name has.')
  const host = raw.toLowerCase()
  if (!hostPattern.test(host)) throw new InvalidHintError('The host is not a host name with an optional port.')
  return host.replace(/:[0-9]{1,5}$/, '')
}

/** The path as the most lenient router might read it. */
function canonicalReading(asked: string): readonly string[] {
  let text = asked
  // Twice: some proxies decode once more than they should.
  for (let round = 0; round < 2; round++)
    text = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  const parts: string[] = []
  for (const part of text
    .replaceAll('\\', '/')
    .replace(/[?#].*$/s, '')
    .split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part.replace(/;.*$/s, ''))
  }
  return parts
}

function malformed<T>(parse: () => T, where: string): T {
  try {
    return parse()
  } catch (cause) {
    throw new InvalidHintError(`${where} does not name a tenant in canonical form.`, { cause })
  }
}

function requireDomain(domain: string): void {
  if (!hostPattern.test(domain) || domain.includes(':')) {
    throw new ConfigurationError(`${JSON.stringify(domain)} is not a domain. Write it in lower case, without port and trailing dot.`)
  }
}
