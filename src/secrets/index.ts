// Secret stores, by name.

export { memorySecrets } from '../core/memory-secret-store.ts'
export type { SecretStore } from '../core/secret-store.ts'
export { type AwsCredentials, type AwsSecretsOptions, awsSecrets } from './aws.ts'
export { type CachedSecretStore, type CachedSecretsOptions, cachedSecrets } from './cached.ts'
export { environmentSecrets } from './environment.ts'
export { type FileSecretsOptions, fileSecrets } from './file.ts'
export { type VaultSecretsOptions, vaultSecrets } from './vault.ts'
