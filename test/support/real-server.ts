// Another system's own server, on a free port of this machine, until the test ends.

import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'

/** @param ready asked again and again until it is true: it waits for an answer itself. */
export async function realServer(
  t: TestContext,
  command: string,
  args: (port: number) => readonly string[],
  ready: (url: string) => Promise<boolean>,
): Promise<string> {
  const port = await freePort()
  const child = spawn(command, args(port), { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('close', resolve))
  child.once('error', () => {})
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const url = `http://127.0.0.1:${port}`
  while (!(await ready(url).catch(() => new Promise<false>((resolve) => setImmediate(resolve, false))))) {
    if (child.exitCode !== null || child.pid === undefined) throw new Error(`${command} did not start, or ended with ${child.exitCode}.`)
  }
  return url
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
