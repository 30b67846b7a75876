// Cancelling what runs on another connection.

import pg from 'pg'

/** How long a CancelRequest may take before we stop waiting for it. */
const cancelTimeoutMs = 2_000

/**
 * Sends a CancelRequest on a connection of its own, as the protocol asks. Failure is harmless: whoever cancels has given the
 * connection up, and the server looks after a client that is gone.
 */
export function sendCancel(config: pg.ClientConfig, processId: number, secretKey: number): Promise<void> {
  const messenger = new pg.Client({ ...config, connectionTimeoutMillis: cancelTimeoutMs }) as pg.Client & {
    readonly connection: {
      stream: { destroy(): void; setTimeout(ms: number, then: () => void): void }
      connect(port: number | string, host?: string): void
      requestSsl(): void
      cancel(processId: number, secretKey: number): void
      on(event: string, listener: () => void): void
    }
    readonly ssl: unknown
  }
  const wire = messenger.connection
  return new Promise((resolve) => {
    const finish = (): void => {
      wire.stream.destroy()
      resolve()
    }
    wire.on('error', finish)
    wire.on('end', resolve)
    wire.on('connect', () => (messenger.ssl ? wire.requestSsl() : wire.cancel(processId, secretKey)))
    wire.on('sslconnect', () => wire.cancel(processId, secretKey))
    wire.stream.setTimeout(cancelTimeoutMs, finish)
    if (messenger.host.startsWith('/')) wire.connect(`${messenger.host}/.s.PGSQL.${messenger.port}`)
    else wire.connect(messenger.port, messenger.host)
  })
}
