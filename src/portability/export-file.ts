// A file that is there whole or not at all: written beside its name, flushed to the disk, renamed. Its hash is that of the bytes on disk.

import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { ConfigurationError } from '../errors.ts'

export interface WrittenFile {
  readonly bytes: number
  /** In hexadecimal digits. */
  readonly sha256: string
}

interface WriteOptions {
  /** With gzip. */
  readonly compress?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Writes what comes, as fast as the disk takes it. What was there under the name is replaced; only this user may read it.
 *
 * @throws {ConfigurationError} when the file cannot be written there.
 */
export async function writeExportFile(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  { compress = false, signal }: WriteOptions = {},
): Promise<WrittenFile> {
  const part = `${path}.part`
  const hash = createHash('sha256')
  let bytes = 0
  const counted = async function* (source: AsyncIterable<Uint8Array>) {
    for await (const chunk of source) {
      hash.update(chunk)
      bytes += chunk.byteLength
      yield chunk
    }
  }
  await onDisk(path, async () => {
    // What a killed run left there, or somebody else's link, is not written through.
    await rm(part, { force: true })
    const file = createWriteStream(part, { flags: 'wx', mode: 0o600, flush: true })
    const stop = signal === undefined ? {} : { signal }
    if (compress) await pipeline(Readable.from(chunks), createGzip(), counted, file, stop)
    else await pipeline(Readable.from(chunks), counted, file, stop)
    await rename(part, path)
    await syncDirectory(dirname(path))
  })
  return { bytes, sha256: hash.digest('hex') }
}

/** The directory itself, so that the new name is there after a power cut too. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Runs what touches the disk.
 *
 * @throws {ConfigurationError} when the operating system refuses: no room, no right, no such directory.
 */
export async function onDisk<T>(path: string, fn: () => Promise<T>): Promise<T> {
  try {
    return await fn()
  } catch (error) {
    if ((error as { readonly syscall?: unknown }).syscall === undefined) throw error
    throw new ConfigurationError(`${path} cannot be written: ${(error as Error).message}.`, { cause: error })
  }
}

/** The directory of an export: a tenant's rows are nobody else's business on this machine either. */
export async function makeExportDirectory(path: string): Promise<void> {
  await onDisk(path, async () => await mkdir(path, { recursive: true, mode: 0o700 }))
}
