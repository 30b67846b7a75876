// Frontend messages of PostgreSQL's extended protocol, written so that a whole flush is one buffer and one socket write.
// https://www.postgresql.org/docs/current/protocol-message-formats.html

import pg from 'pg'
import { InvalidInputError } from '../errors.ts'

/** A value as it goes over the wire: text, bytes (sent in binary), or null. */
type WireValue = string | Buffer | null

// pg's own conversion of JavaScript values, so that dates, arrays and objects mean here what they mean in pg.
const prepareValue = (pg as unknown as { utils: { prepareValue(value: unknown): WireValue } }).utils.prepareValue

/** Execute the unnamed portal to its end, then Sync: the tail of almost every flush. */
const executeAndSync = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0x53, 0, 0, 0, 4])
const execute = executeAndSync.subarray(0, 10)
const sync = executeAndSync.subarray(10)
const describePortal = Buffer.from([0x44, 0, 0, 0, 6, 0x50, 0])

/** What the protocol can count: 16 bits, without a sign. */
const parametersMax = 65_535

/** Converts parameter values. @throws {InvalidInputError} when one cannot be sent, or there are too many. */
export function toWireValues(values: readonly unknown[]): WireValue[] {
  if (values.length > parametersMax) {
    throw new InvalidInputError(
      `A statement has ${values.length} parameters; PostgreSQL takes ${parametersMax}. Pass an array and unnest() it.`,
    )
  }
  const wire: WireValue[] = new Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (typeof value === 'string') wire[i] = value
    else if (value === null || value === undefined) wire[i] = null
    else if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') wire[i] = String(value)
    else {
      try {
        wire[i] = prepareValue(value)
      } catch (error) {
        throw new InvalidInputError(`Parameter $${i + 1} cannot be sent: ${(error as Error).message}`, { cause: error })
      }
    }
  }
  return wire
}

/** Collects messages and joins them into one buffer. */
export class FlushWriter {
  #parts: Buffer[] = []
  #length = 0

  /** Messages written beforehand, e.g. the bind of a capability. */
  raw(buffer: Buffer): void {
    this.#parts.push(buffer)
    this.#length += buffer.length
  }

  parse(name: string, text: string): void {
    const textLength = Buffer.byteLength(text)
    const buffer = Buffer.allocUnsafe(1 + 4 + name.length + 1 + textLength + 1 + 2)
    buffer[0] = 0x50
    buffer.writeInt32BE(buffer.length - 1, 1)
    let at = 5 + buffer.write(name, 5, 'latin1')
    buffer[at++] = 0
    at += buffer.write(text, at, 'utf8')
    buffer[at++] = 0
    buffer.writeInt16BE(0, at)
    this.raw(buffer)
  }

  bind(portal: string, statement: string, values: readonly WireValue[]): void {
    this.raw(bindMessage(portal, statement, values))
  }

  describe(): void {
    this.raw(describePortal)
  }

  describeNamed(portal: string): void {
    this.raw(namedMessage(0x44, 0x50, portal))
  }

  execute(): void {
    this.raw(execute)
  }

  executeNamed(portal: string, rowsMax: number): void {
    const buffer = Buffer.allocUnsafe(1 + 4 + portal.length + 1 + 4)
    buffer[0] = 0x45
    buffer.writeInt32BE(buffer.length - 1, 1)
    const at = 5 + buffer.write(portal, 5, 'latin1')
    buffer[at] = 0
    buffer.writeInt32BE(rowsMax, at + 1)
    this.raw(buffer)
  }

  closeStatement(name: string): void {
    this.raw(namedMessage(0x43, 0x53, name))
  }

  closePortal(name: string): void {
    this.raw(namedMessage(0x43, 0x50, name))
  }

  sync(): void {
    this.raw(sync)
  }

  executeAndSync(): void {
    this.raw(executeAndSync)
  }

  finish(): Buffer {
    const whole = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts, this.#length)
    this.#parts = []
    this.#length = 0
    return whole
  }
}

/** Bind of one portal and its Execute, as one buffer that can be kept and sent again and again. */
export function bindAndExecute(statement: string, values: readonly WireValue[]): Buffer {
  return Buffer.concat([bindMessage('', statement, values), execute])
}

function namedMessage(code: number, kind: number, name: string): Buffer {
  const buffer = Buffer.allocUnsafe(1 + 4 + 1 + name.length + 1)
  buffer[0] = code
  buffer.writeInt32BE(buffer.length - 1, 1)
  buffer[5] = kind
  buffer.write(name, 6, 'latin1')
  buffer[buffer.length - 1] = 0
  return buffer
}

function bindMessage(portal: string, statement: string, values: readonly WireValue[]): Buffer {
  let length = 1 + 4 + portal.length + 1 + statement.length + 1 + 2 + 2 + 2
  let hasBytes = false
  for (const value of values) {
    length += 4
    if (typeof value === 'string') length += Buffer.byteLength(value)
    else if (value !== null) {
      hasBytes = true
      length += value.length
    }
  }
  if (hasBytes) length += 2 * values.length
  const buffer = Buffer.allocUnsafe(length)
  buffer[0] = 0x42
  buffer.writeInt32BE(length - 1, 1)
  let at = 5 + buffer.write(portal, 5, 'latin1')
  buffer[at++] = 0
  at += buffer.write(statement, at, 'latin1')
  buffer[at++] = 0
  // Format codes: none means that all are text; bytes are sent in binary.
  at = buffer.writeUInt16BE(hasBytes ? values.length : 0, at)
  if (hasBytes) for (const value of values) at = buffer.writeUInt16BE(typeof value === 'string' || value === null ? 0 : 1, at)
  at = buffer.writeUInt16BE(values.length, at)
  for (const value of values) at = writeValue(buffer, at, value)
  // Results as text: no format codes.
  buffer.writeInt16BE(0, at)
  return buffer
}

function writeValue(buffer: Buffer, at: number, value: WireValue): number {
  if (value === null) return buffer.writeInt32BE(-1, at)
  const written = typeof value === 'string' ? buffer.write(value, at + 4, 'utf8') : value.copy(buffer, at + 4)
  buffer.writeInt32BE(written, at)
  return at + 4 + written
}
