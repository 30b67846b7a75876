// One connection that copies: what it runs as statements, and what it streams.

import { pipeline } from 'node:stream/promises'
import type pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { AbortedError } from '../../errors.ts'
import { sendCancel } from '../cancel.ts'
import type { ControlConnection } from '../control-pool.ts'
import { translate } from '../database-errors.ts'

/** A connection of its own, for the time of one copy. Whoever opened the client ends it. */
export class CopyConnection implements ControlConnection {
  readonly #client: pg.Client
  readonly #signal: AbortSignal | undefined
  #isBroken = false

  constructor(client: pg.Client, signal?: AbortSignal) {
    this.#client = client
    this.#signal = signal
    // Without a listener, a connection that breaks while nobody reads from it would end the process. Statements hear of it themselves.
    client.on('error', () => {
      this.#isBroken = true
    })
  }

  /** It is of no more use: it broke, or was left in the middle of a copy. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  async query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    return await this.#cancellable(async () => (await this.#client.query<Row>(text, [...values])).rows)
  }

  /**
   * The bytes of `copy … to stdout`, as PostgreSQL sends them: no more is read than is taken. Iterate to the end; a reader who leaves
   * before has spent the connection.
   */
  async *copyOut(statement: string): AsyncGenerator<Buffer, void, undefined> {
    this.#refuseAborted()
    const stream = this.#client.query(copyTo(statement))
    const abort = (): void => void stream.destroy(aborted())
    this.#signal?.addEventListener('abort', abort, { once: true })
    let isOver = false
    try {
      for await (const chunk of stream) yield chunk as Buffer
      isOver = true
    } catch (error) {
      throw this.#told(error)
    } finally {
      this.#signal?.removeEventListener('abort', abort)
      if (!isOver) await this.#break()
    }
  }

  /**
   * Sends bytes to `copy … from stdin`. When `source` fails, the server is told so, and keeps nothing of it.
   *
   * @returns how many rows PostgreSQL has taken.
   */
  async copyIn(statement: string, source: AsyncIterable<Buffer>): Promise<number> {
    return await this.#cancellable(async () => {
      const stream = this.#client.query(copyFrom(statement))
      let failure: { readonly error: unknown } | undefined
      const guarded = async function* (): AsyncGenerator<Buffer> {
        try {
          yield* source
        } catch (error) {
          failure = { error }
          // The server writes into its log why a copy was given up, and what a source says of its failure may have values of rows.
          throw new AbortedError('The sender gave up.')
        }
      }
      try {
        await pipeline(guarded, stream, { ...(this.#signal !== undefined && { signal: this.#signal }) })
      } catch (error) {
        throw failure === undefined ? error : failure.error
      }
      return stream.rowCount
    })
  }

  /** Ends the transaction and keeps nothing of it, also after the signal. A connection that broke has done so already. */
  async rollback(): Promise<void> {
    await this.#client.query('rollback').catch(() => {})
  }

  /** What runs when the signal fires is cancelled at the server too: the references of many rows are checked for minutes. */
  async #cancellable<T>(fn: () => Promise<T>): Promise<T> {
    this.#refuseAborted()
    const cancel = (): void => void cancelStatement(this.#client)
    this.#signal?.addEventListener('abort', cancel, { once: true })
    try {
      return await fn()
    } catch (error) {
      throw this.#told(error)
    } finally {
      this.#signal?.removeEventListener('abort', cancel)
    }
  }

  async #break(): Promise<void> {
    this.#isBroken = true
    // With a statement under way this closes the socket; the server ends what it cannot send.
    await this.#client.end().catch(() => {})
  }

  #refuseAborted(): void {
    if (this.#signal?.aborted) throw aborted()
  }

  #told(error: unknown): unknown {
    return this.#signal?.aborted ? aborted(error) : translate(error, { mayHaveWritten: false })
  }
}

function cancelStatement(client: pg.Client): Promise<void> {
  const { host, port, ssl, processID, secretKey } = client as pg.Client & {
    readonly processID: number | null
    readonly secretKey: number | null
  }
  if (processID === null || secretKey === null) return Promise.resolve()
  return sendCancel({ host, port, ssl }, processID, secretKey)
}

function aborted(cause?: unknown): AbortedError {
  return new AbortedError('The copy was cancelled. Nothing of it was kept: begin it anew.', { cause })
}
