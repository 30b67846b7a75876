import { MemoryCatalog } from '../../src/core/memory-catalog.ts'
import { catalogConformance } from './catalog-conformance.ts'

catalogConformance('memory catalog', async () => new MemoryCatalog())
