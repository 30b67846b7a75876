// Rows that were refused, each with the reason: a line of JSON for each, in a file that is as true as what is in the database.

import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { onDisk } from './export-file.ts'

export interface Refusal {
  readonly table: string
  readonly file: string
  /** Where the row begins in the file: a line, or in Parquet a row; from 1. */
  readonly line: number
  /** Its primary key, as the file has it; empty when it could not be read. */
  readonly key: Readonly<Record<string, string | null>>
  readonly reason: string
  /** PostgreSQL's code, where it was PostgreSQL that refused. */
  readonly sqlstate?: string | undefined
  readonly constraint?: string | undefined
  readonly column?: string | undefined
  /** The row itself is there, without what these columns should refer to. */
  readonly without?: readonly string[] | undefined
}

/** Appends to a file that may have to be cut back to where a transaction began. */
export class RefusalFile {
  readonly #handle: FileHandle
  #bytes: number
  #isSynced = true

  private constructor(handle: FileHandle, bytes: number) {
    this.#handle = handle
    this.#bytes = bytes
  }

  /** What is in it stays until whoever has claimed the import cuts it. @throws {ConfigurationError} when it cannot be written. */
  static async open(path: string): Promise<RefusalFile> {
    const handle = await onDisk(path, async () => await open(path, constants.O_RDWR | constants.O_CREAT, 0o600))
    return new RefusalFile(handle, (await handle.stat()).size)
  }

  get bytes(): number {
    return this.#bytes
  }

  async add(refusals: readonly Refusal[]): Promise<void> {
    if (refusals.length === 0) return
    const text = Buffer.from(refusals.map((refusal) => `${JSON.stringify(refusal)}\n`).join(''))
    await this.#handle.write(text, 0, text.byteLength, this.#bytes)
    this.#bytes += text.byteLength
    this.#isSynced = false
  }

  async cutTo(bytes: number): Promise<void> {
    await this.#handle.truncate(bytes)
    this.#bytes = bytes
  }

  /** Before the transaction that counts on it is committed. */
  async sync(): Promise<void> {
    if (this.#isSynced) return
    await this.#handle.datasync()
    this.#isSynced = true
  }

  /** The lines of a table's rows that were refused. */
  async linesOf(table: string): Promise<ReadonlySet<number>> {
    const lines = new Set<number>()
    // The handle is not the stream's to close, and is read from its beginning whatever was written.
    const stream = this.#handle.createReadStream({ start: 0, autoClose: false, encoding: 'utf8' })
    for await (const text of createInterface({ input: stream })) {
      const refusal = JSON.parse(text) as Refusal
      if (refusal.table === table && refusal.without === undefined) lines.add(refusal.line)
    }
    return lines
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}
