// By which others see that this process is alive: a session lock in the catalog. It goes when the process dies, at once and without a
// timeout, and whoever asks then takes the process's moves over.

import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import type { ControlPool } from '../control-pool.ts'

export class MoverPresence {
  readonly #writer: ControlPool
  #held: Promise<{ readonly owner: string; readonly client: pg.Client }> | undefined
  #isClosed = false

  /** @param writer the migrator's connections to the catalog. */
  constructor(writer: ControlPool) {
    this.#writer = writer
  }

  /**
   * The name under which this process owns moves. Another one after the connection was lost, since others may have taken its moves.
   *
   * @throws {DatabaseUnavailableError} when the catalog cannot be reached.
   */
  async owner(): Promise<string> {
    this.#held ??= this.#take()
    try {
      return (await this.#held).owner
    } catch (error) {
      this.#held = undefined
      throw error
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const held = await this.#held?.catch(() => undefined)
    this.#held = undefined
    await held?.client.end().catch(() => {})
  }

  async #take(): Promise<{ readonly owner: string; readonly client: pg.Client }> {
    const client = await this.#writer.dedicated()
    const forget = (): void => {
      this.#held = undefined
    }
    client.on('error', forget)
    client.on('end', forget)
    // A positive number of 62 bits: no two processes draw the same.
    const owner = (randomBytes(8).readBigUInt64BE() >> 2n).toString()
    await client.query('select pg_advisory_lock($1::bigint)', [owner])
    if (this.#isClosed) await client.end()
    return { owner, client }
  }
}
