// Public keys of an installation, from a file that partywall certificate key printed.

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { JSONWebKeySet } from 'jose'
import { ConfigurationError } from '../errors.ts'
import { certificateKeySet } from '../operations/certificate-key.ts'
import { withFleet } from './fleet-plane.ts'
import type { Terminal } from './verb.ts'

/** @throws {ConfigurationError} when it cannot be read. */
export async function readText({ cwd }: Terminal, file: string): Promise<string> {
  return await readFile(resolve(cwd, file), 'utf8').catch((error: Error) => {
    throw new ConfigurationError(`${file} cannot be read: ${error.message}`, { cause: error })
  })
}

/** Whose signature it is to be: a file, or the installation's own. @throws {ConfigurationError} when it is neither, both, or no key set. */
export async function keySetOf(
  terminal: Terminal,
  { key, fromStore }: { readonly key: string | undefined; readonly fromStore: boolean },
): Promise<JSONWebKeySet> {
  if ((key === undefined) !== fromStore) throw new ConfigurationError('Say whose signature it is to be: --key <jwks>, or --from-store.')
  return key === undefined
    ? await withFleet(terminal, ({ secrets }) => certificateKeySet(secrets))
    : parsedKey(key, await readText(terminal, key))
}

function parsedKey(file: string, text: string): JSONWebKeySet {
  try {
    const read = JSON.parse(text) as JSONWebKeySet
    if (Array.isArray(read?.keys)) return read
  } catch {
    // Said below.
  }
  throw new ConfigurationError(`${file} is no JSON Web Key Set: write it with partywall certificate key.`)
}
