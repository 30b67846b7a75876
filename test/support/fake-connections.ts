// Connections without a server, for tests of who gets one: opened, closed and broken when the test says so, and counted.

import type { Connection, ConnectionConfig } from '../../src/postgres/connection.ts'

interface Pending {
  readonly settle: (error?: Error) => void
}

/** What the pool knows of a connection, and what a test does to it. */
export class FakeConnection {
  isUsable = true
  transactionStatus = 'I'
  openedAt = 0
  usedAt = 0
  onBroken: (() => void) | undefined
  readonly database: string
  readonly #server: FakeServer
  readonly #socket = Promise.withResolvers<void>()
  #isOpen = true

  constructor(server: FakeServer, database: string) {
    this.#server = server
    this.database = database
  }

  destroy(): void {
    this.isUsable = false
    this.#server.end(() => this.closeSocket())
  }

  closed(): Promise<void> {
    return this.#socket.promise
  }

  /** The network, or the server, cuts it. */
  break(): void {
    this.isUsable = false
    this.closeSocket()
    this.onBroken?.()
  }

  closeSocket(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#server.open -= 1
    this.#socket.resolve()
  }
}

export class FakeServer {
  /** Sockets that are open: those of attempts to connect among them. */
  open = 0
  openMax = 0
  opened = 0
  /** Thrown by the next attempts, while set. */
  refusal: Error | undefined
  /** Attempts and goodbyes wait for `answer`, while set. */
  isSlow = false
  readonly urls: string[] = []
  readonly #pending = new Set<Pending>()
  readonly #goodbyes = new Set<() => void>()

  /** For a pool's `open`. */
  readonly connect = async (config: ConnectionConfig, signal: AbortSignal): Promise<Connection> => {
    const { connectionString = '' } = config.client
    this.urls.push(connectionString)
    this.open += 1
    this.openMax = Math.max(this.openMax, this.open)
    try {
      await new Promise<void>((resolve, reject) => {
        const pending: Pending = {
          settle: (error) => {
            this.#pending.delete(pending)
            if (error === undefined) resolve()
            else reject(error)
          },
        }
        this.#pending.add(pending)
        signal.addEventListener('abort', () => pending.settle(signal.reason as Error))
        if (!this.isSlow) setImmediate(() => pending.settle(this.refusal))
      })
    } catch (error) {
      this.open -= 1
      throw error
    }
    this.opened += 1
    return new FakeConnection(this, new URL(connectionString).pathname.slice(1)) as unknown as Connection
  }

  get pending(): number {
    return this.#pending.size
  }

  end(close: () => void): void {
    if (this.isSlow) this.#goodbyes.add(close)
    else setImmediate(close)
  }

  /** The oldest attempt succeeds, or fails. */
  answer(error = this.refusal): void {
    for (const pending of this.#pending) {
      pending.settle(error)
      return
    }
  }

  /** The oldest connection that is being closed is closed. */
  goodbye(): void {
    for (const close of this.#goodbyes) {
      this.#goodbyes.delete(close)
      close()
      return
    }
  }
}

export function fake(connection: Connection): FakeConnection {
  return connection as unknown as FakeConnection
}

/** As many turns of the event loop as anything here takes. */
export async function turns(count = 8): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}
