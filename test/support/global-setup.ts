// For `node --test --test-global-setup`: one server for all test files of a run, and a second one where tenants have a server of
// their own.

import { isolation } from './isolation.ts'
import { announce, startTestServer } from './server.ts'

const stops: (() => Promise<void>)[] = []

export async function globalSetup(): Promise<void> {
  for (const kind of isolation === 'server' ? (['catalog', 'second'] as const) : (['catalog'] as const)) {
    const server = await startTestServer(kind)
    stops.push(server.stop)
    announce(kind, server)
  }
}

export async function globalTeardown(): Promise<void> {
  for (const stop of stops) await stop()
}
