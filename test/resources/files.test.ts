import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { directoryStore } from '../../src/objects/directory-store.ts'
import { memoryStore } from '../../src/objects/memory-store.ts'
import { MemoryFileIndexes } from '../../src/resources/files/memory-file-index.ts'
import { contextOf } from './cache-conformance.ts'
import { filesConformance } from './files-conformance.ts'

const cast = { bob: contextOf('bob', 1), carol: contextOf('carol', 10) }

filesConformance('files in memory', async () => ({ ...cast, store: memoryStore(), indexes: new MemoryFileIndexes() }))

filesConformance('files in a directory', async (t) => {
  const path = await mkdtemp(join(tmpdir(), 'partywall-files-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return { ...cast, store: directoryStore(path), indexes: new MemoryFileIndexes() }
})
