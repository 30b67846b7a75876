// A portal: a large result, read in pieces. It lives no longer than the transaction.

import { InvalidInputError, StatementRefusedError } from '../errors.ts'
import type { Place } from './binding.ts'
import type { Connection } from './connection.ts'
import type { FlushStep } from './flush.ts'
import { classify } from './statement.ts'
import type { StreamOptions } from './transaction-options.ts'
import { type FlushWriter, toWireValues } from './wire.ts'

const batchSizeDefault = 500
const batchSizeMax = 10_000

/** Writes what opens a portal, fetches from it, and closes it. Memory is bounded by `batchSize`. */
export class Portal {
  readonly #name: string
  readonly #text: string
  readonly #values: ReturnType<typeof toWireValues>
  readonly #batchSize: number
  readonly #step: FlushStep

  /** @throws {InvalidInputError} {@link StatementRefusedError} */
  constructor(name: string, text: string, values: readonly unknown[], options: StreamOptions) {
    const { batchSize = batchSizeDefault } = options
    if (!(Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= batchSizeMax)) {
      throw new InvalidInputError(`batchSize is ${options.batchSize}; it must be a whole number from 1 to ${batchSizeMax}.`)
    }
    if (classify(text).kind !== 'query') throw new StatementRefusedError('Only a query can be streamed.')
    this.#name = name
    this.#text = text
    this.#values = toWireValues(values)
    this.#batchSize = batchSize
    this.#step = {
      shape: undefined,
      types: options.types,
      rowMode: options.rowMode ?? 'object',
      onShape: undefined,
      onOwnRow: undefined,
    }
  }

  writeFirst(writer: FlushWriter, connection: Connection, place: Place): FlushStep {
    const prepared = connection.prepare(writer, this.#text, place.schema)
    writer.bind(this.#name, prepared.name, this.#values)
    writer.describeNamed(this.#name)
    return this.writeNext(writer)
  }

  writeNext(writer: FlushWriter): FlushStep {
    writer.executeNamed(this.#name, this.#batchSize)
    writer.sync()
    return this.#step
  }

  writeClose(writer: FlushWriter): void {
    writer.closePortal(this.#name)
    writer.sync()
  }
}
