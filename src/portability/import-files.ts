// Are the files of an import what its manifest says? Nothing is read from a file that is not.

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { AbortedError, InvalidInputError } from '../errors.ts'
import type { Manifest } from './manifest.ts'

/**
 * Reads every file once.
 *
 * @throws {InvalidInputError} that names every file which is missing, is no file, or has another size or hash.
 * @throws {AbortedError} when the signal fires.
 */
export async function verifyFiles(directory: string, { tables }: Manifest, signal?: AbortSignal): Promise<void> {
  const problems: string[] = []
  for (const { file, bytes, sha256 } of tables) {
    const path = join(directory, file)
    // A link would lead elsewhere; a pipe would never end.
    const found = await lstat(path).catch(() => undefined)
    if (found === undefined) problems.push(`${file} is missing`)
    else if (!found.isFile()) problems.push(`${file} is no file`)
    else if (found.size !== bytes) problems.push(`${file} has ${found.size} bytes, not ${bytes}`)
    else if ((await hashOf(path, signal)) !== sha256) problems.push(`${file} has another sha256`)
  }
  if (problems.length > 0) throw new InvalidInputError(`The files are not as the manifest says: ${problems.join('; ')}.`)
}

async function hashOf(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash, signal === undefined ? {} : { signal })
  } catch (error) {
    if (signal?.aborted === true)
      throw new AbortedError('The import was stopped while its files were read. Nothing was written.', { cause: error })
    throw error
  }
  return hash.digest('hex')
}
