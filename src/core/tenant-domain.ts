// Host names of a tenant's own. Like every reference: one canonical form, everything else refused, nothing folded.

import { InvalidTenantRefError } from '../errors.ts'

/** Longest host name, RFC 1035 §2.3.4. */
export const domainLengthMax = 253

const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const domainPattern = new RegExp(`^(?:${label}\\.)+${label}$`)

/**
 * Parses a host name: lower-case ASCII labels (IDNA names in their `xn--` form), at least two, no port, no trailing dot,
 * no address (the last label has a letter).
 *
 * @throws {InvalidTenantRefError} otherwise.
 */
export function parseTenantDomain(text: unknown): string {
  if (typeof text === 'string' && text.length <= domainLengthMax && domainPattern.test(text) && /[a-z][^.]*$/.test(text)) return text
  throw new InvalidTenantRefError(
    `Not a tenant domain: ${typeof text === 'string' ? JSON.stringify(text.slice(0, 64)) : typeof text}. A domain is a lower-case host name without a port.`,
  )
}
