// A server that nobody else uses, for what changes more than a database: proofs make roles stronger than they may be.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedServer } from '../../postgres/embedded.ts'

/** Runs `fn` with a server of its own, which is gone when it resolves. */
export async function withPrivateServer<T>(binDirectory: string | undefined, fn: (superuserUrl: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'partywall-proof-'))
  try {
    const settings = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', shared_buffers: '64MB' }
    const server = await startEmbeddedServer({ directory, binDirectory, settings })
    try {
      return await fn(server.superuserUrl)
    } finally {
      await server.stop()
      await rm(server.dataDirectory, { recursive: true, force: true })
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
