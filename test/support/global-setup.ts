// For `node --test --test-global-setup`: one server for all test files of a run.

import { announce, startTestServer } from './server.ts'

let stop: (() => Promise<void>) | undefined

export async function globalSetup(): Promise<void> {
  const server = await startTestServer()
  stop = server.stop
  announce(server)
}

export async function globalTeardown(): Promise<void> {
  await stop?.()
}
