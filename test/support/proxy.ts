// A wire between the application and PostgreSQL that a test can count on, slow down and cut.

import { connect, createServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

export class TcpProxy {
  readonly url: string
  readonly #server: Server
  readonly #pairs = new Set<{ readonly near: Socket; readonly far: Socket }>()
  #roundTrips = 0
  #isRefusing = false

  private constructor(server: Server, target: URL) {
    this.#server = server
    const here = new URL(target)
    here.hostname = '127.0.0.1'
    here.port = String((server.address() as { port: number }).port)
    this.url = here.href
  }

  static async start(t: TestContext, targetUrl: string): Promise<TcpProxy> {
    const target = new URL(targetUrl)
    let proxy: TcpProxy
    const server = createServer({ allowHalfOpen: true }, (near) =>
      proxy.#join(near, connect({ port: Number(target.port), host: target.hostname, allowHalfOpen: true })),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    proxy = new TcpProxy(server, target)
    t.after(() => proxy.stop())
    return proxy
  }

  /** Times that the application spoke after the server had spoken: round trips. */
  get roundTrips(): number {
    return this.#roundTrips
  }

  get open(): number {
    return this.#pairs.size
  }

  /** Nothing gets through, in either direction, and nobody is told. */
  freeze(): void {
    for (const { near, far } of this.#pairs) for (const socket of [near, far]) socket.pause()
  }

  /** What was held up goes on. */
  thaw(): void {
    for (const { near, far } of this.#pairs) for (const socket of [near, far]) socket.resume()
  }

  /** Cuts every connection. */
  cut(): void {
    for (const { near, far } of this.#pairs) for (const socket of [near, far]) socket.destroy()
  }

  /** New connections are closed at once, until `accept`. */
  refuse(): void {
    this.#isRefusing = true
  }

  accept(): void {
    this.#isRefusing = false
  }

  async stop(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(near: Socket, far: Socket): void {
    if (this.#isRefusing) {
      near.destroy()
      far.destroy()
      return
    }
    const pair = { near, far }
    this.#pairs.add(pair)
    let serverSpoke = true
    near.on('data', (chunk) => {
      if (serverSpoke) this.#roundTrips += 1
      serverSpoke = false
      far.write(chunk)
    })
    far.on('data', (chunk) => {
      serverSpoke = true
      near.write(chunk)
    })
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.setNoDelay(true)
      one.on('error', () => other.destroy())
      one.on('end', () => other.end())
      one.on('close', () => {
        other.destroy()
        this.#pairs.delete(pair)
      })
    }
  }
}
