// A real Redis, in memory alone, that a test may stop and start.

import { type ChildProcess, spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { debianBinary } from './debian-binary.ts'

const binaries = ['/usr/bin/redis-server', '/usr/bin/valkey-server', '/usr/local/bin/redis-server', '/opt/homebrew/bin/redis-server']

export interface RedisServer {
  readonly url: string
  /** Kills it: what it had is gone. */
  stop(): Promise<void>
  /** Starts it, empty, where it was. */
  start(): Promise<void>
  /** It hears and does not answer, until it is woken. */
  freeze(): void
  wake(): void
}

export async function redisServer(t: Pick<TestContext, 'after'>): Promise<RedisServer> {
  const binary = debianBinary('redis-server', binaries, 'on macOS: brew install redis')
  const port = await freePort()
  let child: ChildProcess | undefined
  const server: RedisServer = {
    url: `redis://127.0.0.1:${port}`,
    stop: async () => {
      const running = child
      child = undefined
      if (running === undefined) return
      const ended = new Promise((resolve) => running.once('close', resolve))
      running.kill('SIGKILL')
      await ended
    },
    start: async () => {
      const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--daemonize', 'no']
      const started = spawn(binary, args, { stdio: 'ignore' })
      child = started
      while (!(await answers(port))) if (started.exitCode !== null) throw new Error(`${binary} ended with ${started.exitCode}.`)
    },
    freeze: () => void child?.kill('SIGSTOP'),
    wake: () => void child?.kill('SIGCONT'),
  }
  t.after(() => server.stop())
  await server.start()
  return server
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write('PING\r\n'))
    socket.once('data', (data) => {
      socket.destroy()
      resolve(String(data).startsWith('+PONG'))
    })
    socket.once('error', () => setTimeout(resolve, 20, false))
  })
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
