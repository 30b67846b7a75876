// A body that has to be read before anybody is let in: whole, raw, and no longer than allowed.

import type { Readable } from 'node:stream'
import { BodyTooLargeError } from '../errors.ts'

/** Where a framework has no bound of its own. In bytes. */
export const bodyBytesMaxDefault = 100_000

/**
 * Of a request of Node's. What is too long is not kept, but taken from the connection, where the next request comes after it.
 *
 * @throws {BodyTooLargeError} before more than `bytesMax` is held.
 */
export async function readRequestBody(request: Readable, bytesMax: number): Promise<Buffer> {
  try {
    return await readBody(request.iterator({ destroyOnReturn: false }), bytesMax)
  } catch (error) {
    request.resume()
    throw error
  }
}

/** @throws {BodyTooLargeError} before more than `bytesMax` is held. */
export async function readBody(chunks: AsyncIterable<Uint8Array | string>, bytesMax: number): Promise<Buffer> {
  const read: Buffer[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    const buffer = Buffer.from(chunk as Uint8Array)
    bytes += buffer.length
    if (bytes > bytesMax) throw new BodyTooLargeError(`The body is longer than ${bytesMax} bytes.`)
    read.push(buffer)
  }
  return Buffer.concat(read, bytes)
}
