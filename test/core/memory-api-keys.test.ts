import { MemoryApiKeys } from '../../src/core/memory-api-keys.ts'
import { nobodysId } from '../support/door-cast.ts'
import { apiKeysConformance } from './api-keys-conformance.ts'

apiKeysConformance('in memory', async () => new MemoryApiKeys({ tenantExists: (id) => id !== nobodysId }))
