// Reads what the server sends. The messages of every statement (rows, completion, readiness) are read in place, without an
// object for each; the rare ones (errors, notices, descriptions) go through pg's own parser.
// https://www.postgresql.org/docs/current/protocol-message-formats.html

import { EventEmitter } from 'node:events'
import { parse } from 'pg-protocol'
import { ConnectionLostError } from '../errors.ts'

/** A message in pg's own form. */
export interface RareMessage {
  readonly name: string
}

/** Who is told, in the order in which the messages came. Buffers are only good during the call. */
export interface AnswerSink {
  /** `at` is where the row's number of columns stands. */
  dataRow(buffer: Buffer, at: number): void
  commandComplete(buffer: Buffer, from: number, to: number): void
  emptyQuery(): void
  portalSuspended(): void
  /** The transaction's status: `I`, `T` or `E`. */
  readyForQuery(status: string): void
  rare(message: RareMessage): void
  /** What came is not the protocol: nothing after it can be believed. */
  garbled(error: Error): void
}

const headerLength = 5
const statuses: Readonly<Record<number, string>> = { 73: 'I', 84: 'T', 69: 'E' }

export class AnswerReader {
  readonly #sink: AnswerSink
  readonly #rareSource = new EventEmitter()
  /** Chunks of a message that has not come whole, and how many bytes it takes until it has. */
  #chunks: Buffer[] = []
  #length = 0
  #needed = 0

  constructor(sink: AnswerSink) {
    this.#sink = sink
    // pg's parser listens to a stream; ours emits one whole message at a time.
    parse(this.#rareSource as NodeJS.ReadableStream, (message) => sink.rare(message as RareMessage)).catch(() => {})
  }

  /** Takes the next bytes from the socket. */
  read(chunk: Buffer): void {
    let buffer = chunk
    if (this.#length > 0) {
      this.#chunks.push(chunk)
      this.#length += chunk.length
      if (this.#length < this.#needed) return
      buffer = Buffer.concat(this.#chunks, this.#length)
      this.#chunks = []
      this.#length = 0
    }
    this.#readMessages(buffer)
  }

  #readMessages(buffer: Buffer): void {
    const end = buffer.length
    let at = 0
    while (end - at >= headerLength) {
      const length = 1 + buffer.readInt32BE(at + 1)
      if (length < headerLength) {
        this.#sink.garbled(new ConnectionLostError('The server sent a message of impossible length.'))
        return
      }
      if (length > end - at) {
        this.#keep(buffer.subarray(at), length)
        return
      }
      this.#dispatch(buffer, at, at + length)
      at += length
    }
    if (at < end) this.#keep(buffer.subarray(at), headerLength)
  }

  #keep(rest: Buffer, needed: number): void {
    this.#chunks = [rest]
    this.#length = rest.length
    this.#needed = needed
  }

  #dispatch(buffer: Buffer, start: number, end: number): void {
    const sink = this.#sink
    switch (buffer[start]) {
      case 0x31: // ParseComplete
      case 0x32: // BindComplete
      case 0x33: // CloseComplete
      case 0x6e: // NoData
        return
      case 0x44: // DataRow
        sink.dataRow(buffer, start + headerLength)
        return
      case 0x43: // CommandComplete; its text ends with a zero
        sink.commandComplete(buffer, start + headerLength, end - 1)
        return
      case 0x5a: // ReadyForQuery
        sink.readyForQuery(statuses[buffer[start + headerLength] ?? 0] ?? 'E')
        return
      case 0x49: // EmptyQueryResponse
        sink.emptyQuery()
        return
      case 0x73: // PortalSuspended
        sink.portalSuspended()
        return
      default:
        this.#rareSource.emit('data', buffer.subarray(start, end))
    }
  }
}
