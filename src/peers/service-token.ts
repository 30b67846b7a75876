// The token by which one service tells another for which tenant, on whose behalf and in which request it asks: signed, for one audience,
// and good for seconds. It has a header and a type of its own, so that nobody's user token is ever one, nor the other way round.

/** Beside, and not instead of, `Authorization`: with both, the request has two credentials, and is refused. */
export const serviceTokenHeader = 'x-partywall-service'
export const serviceTokenType = 'partywall-service+jwt'
/** Longest life of a token, in seconds. */
export const serviceTtlSecMax = 60
export const serviceAlgorithms = ['EdDSA', 'ES256'] as const
export type ServiceAlgorithm = (typeof serviceAlgorithms)[number]
/** Names of services: what stands in `iss` and `aud`. */
export const serviceNamePattern = /^[a-z][a-z0-9]*(?:[.-][a-z0-9]+){0,15}$/
