import { MemorySecretStore, memorySecrets } from '../../src/core/memory-secret-store.ts'
import { secretReadingConformance, secretWritingConformance } from './secret-store-conformance.ts'

secretReadingConformance('memory secrets', async (_t, secrets) => memorySecrets(secrets))
secretWritingConformance('memory secrets', async () => new MemorySecretStore())
