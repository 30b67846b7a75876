// The nearest partywall.config.ts, here or above.

import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type PartywallConfig, readConfig } from '../config.ts'
import { ConfigurationError } from '../errors.ts'
import { shareOwnCopy } from './own-copy.ts'

/** A configuration, and where it was found: its paths are meant from there. */
export interface FoundConfig {
  readonly config: PartywallConfig
  readonly file: string
  readonly directory: string
}

/** Node runs .ts by itself, from 22.18 on. */
export const configFileNames = ['partywall.config.ts', 'partywall.config.mjs', 'partywall.config.js'] as const

/**
 * Loads it, which runs it.
 *
 * @returns undefined when there is none up to the root.
 * @throws {ConfigurationError} when a folder has two, or it does not load, exports nothing by default, or has a key that nobody
 * knows.
 */
export async function findConfig(cwd: string): Promise<FoundConfig | undefined> {
  for (let directory = cwd; ; directory = dirname(directory)) {
    const file = await configFileIn(directory)
    if (file !== undefined) return { config: readConfig(await load(file), basename(file)), file, directory }
    if (directory === dirname(directory)) return undefined
  }
}

async function configFileIn(directory: string): Promise<string | undefined> {
  const files = configFileNames.map((name) => join(directory, name))
  const there = await Promise.all(files.map((file) => stat(file).then((found) => found.isFile(), absent)))
  const [first, second] = files.filter((_, at) => there[at])
  if (first === undefined || second === undefined) return first
  throw new ConfigurationError(`${directory} has ${basename(first)} and ${basename(second)}. Keep one: which of them holds cannot be told.`)
}

function absent(error: NodeJS.ErrnoException): false {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false
  throw new ConfigurationError(`The configuration cannot be looked for: ${error.message}`, { cause: error })
}

async function load(file: string): Promise<unknown> {
  shareOwnCopy()
  const loaded = (await import(pathToFileURL(file).href).catch((error: Error) => {
    throw new ConfigurationError(`${file} cannot be loaded: ${error.message}`, { cause: error })
  })) as { readonly default?: unknown }
  if (loaded.default !== undefined) return loaded.default
  throw new ConfigurationError(`${file} exports nothing by default. Write: export ${'default'} defineConfig({ … })`)
}
