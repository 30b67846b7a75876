// partywall/service: the tenant's context from one service to another.

export { type ServiceDoor, type ServiceDoorOptions, serviceDoor } from './service-door.ts'
export { type ServiceIdentityOptions, type ServiceKeys, serviceIdentity } from './service-identity.ts'
export { type ServiceAlgorithm, serviceTokenHeader } from './service-token.ts'
export { type ServiceKey, type ServiceTokens, type ServiceTokensOptions, serviceTokens } from './service-tokens.ts'
export { type TenantFetchOptions, tenantFetch } from './tenant-fetch.ts'
