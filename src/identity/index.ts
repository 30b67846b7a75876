// Identities that the doors accept, by name.

export { type ApiKeyOptions, apiKey, type IssuedApiKey, issueApiKey, rotateApiKey } from './api-key.ts'
export { type IssueTokenOptions, issueToken, type JwtKey, type JwtOptions, jwt } from './jwt.ts'
export { type OidcIssuer, oidc } from './oidc.ts'
export { MemoryReplays, type ReplayMemory, signWebhook, type WebhookEndpoint, type WebhookOptions, webhook } from './webhook.ts'
