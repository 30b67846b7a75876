// Tokens of OpenID Connect issuers. The *configured* issuer decides which keys count; a token's kid only selects among them.
// Chosen by kid alone, customer A's own identity provider could sign a token that says it is issuer B's.

import { type Clock, systemClock } from '../core/clock.ts'
import { bearerToken, type IdentityProvider } from '../core/identity.ts'
import { ConfigurationError } from '../errors.ts'
import { type ClaimsOptions, identityOf } from './claims.ts'
import { IssuerKeys } from './issuer-keys.ts'
import { checkRules, claimedIssuer, type TokenRules, verifyToken } from './verify-token.ts'

/** One issuer that is trusted, and how far. */
export interface OidcIssuer extends ClaimsOptions {
  /** Exactly the `iss` claim of its tokens. */
  readonly issuer: string
  /** The audience that its tokens must be for: this service. */
  readonly audience: string | readonly string[]
  /** Default: RS, PS and ES with SHA-2, and EdDSA. Neither `none` nor a shared-secret algorithm is ever taken. */
  readonly algorithms?: readonly string[] | undefined
  /** Where its keys are. Default: by OpenID Connect Discovery. */
  readonly jwksUri?: string | undefined
  /** Default 5; at most 300. */
  readonly clockToleranceSec?: number | undefined
  /** How long keys are used before they are read again. Default 600,000. */
  readonly keysMaxAgeMs?: number | undefined
  /** Least time between two reads of the keys. Default 30,000. */
  readonly cooldownMs?: number | undefined
  /** Longest wait for the issuer's keys. Default 5,000. */
  readonly timeoutMs?: number | undefined
  readonly clock?: Clock | undefined
}

/** All that a public key can verify. */
const publicKeyAlgorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const

/**
 * Identities from `Authorization: Bearer <JWT>` of one or more issuers. Tokens of other issuers are left to other providers.
 *
 * @example
 * ```ts
 * import { oidc } from 'partywall/identity'
 *
 * const identity = oidc(
 *   { issuer: 'https://login.example.com/', audience: 'documents' },
 *   { issuer: 'https://sso.acme.example', audience: 'documents', tenants: ['acme'], memberships: () => ['acme'] },
 * )
 * ```
 * @throws {ConfigurationError} when an issuer is given twice, is not https, or its rules would let anything pass.
 */
export function oidc(...issuers: readonly [OidcIssuer, ...OidcIssuer[]]): IdentityProvider {
  const known = new Map<string, { readonly options: OidcIssuer; readonly rules: TokenRules; readonly keys: IssuerKeys }>()
  for (const options of issuers) {
    if (known.has(options.issuer)) throw new ConfigurationError(`The issuer ${options.issuer} is given twice.`)
    known.set(options.issuer, {
      options,
      rules: rulesOf(options),
      keys: new IssuerKeys({ ...options, clock: options.clock ?? systemClock }),
    })
  }
  return {
    async identify(request) {
      const token = bearerToken(request)
      const issuer = token === undefined ? undefined : known.get(claimedIssuer(token) ?? '')
      if (token === undefined || issuer === undefined) return undefined
      return identityOf(await verifyToken(token, issuer.keys.find, issuer.rules), issuer.options)
    },
  }
}

function rulesOf(options: OidcIssuer): TokenRules {
  const rules = { ...options, algorithms: options.algorithms ?? publicKeyAlgorithms, clock: options.clock ?? systemClock }
  const odd = rules.algorithms.filter((algorithm) => !publicKeyAlgorithms.some((known) => known === algorithm))
  if (odd.length > 0)
    throw new ConfigurationError(
      `Not signature algorithms of a public key: ${odd.join(', ')}. Take from ${publicKeyAlgorithms.join(', ')}.`,
    )
  checkRules(rules)
  return rules
}
