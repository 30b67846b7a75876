// The application that `partywall dev` runs: a module with a few exports.

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { IdentityProvider } from '../../core/identity.ts'
import type { Tenant } from '../../core/tenant.ts'
import { ConfigurationError } from '../../errors.ts'
import type { Tenancy } from '../../tenancy.ts'
import type { WallProbe } from '../../testing/wall-stage.ts'
import { shareOwnCopy } from '../own-copy.ts'

/** What the module exports. */
export interface Application {
  /** Names the database and the audience of tokens: lower-case letters, digits and dashes. */
  readonly name: string
  /** Directory of numbered SQL files. */
  readonly migrations: URL
  /** Where the self-check tries to cross the wall. */
  readonly probe: WallProbe
  /** Fills an empty tenant for a demonstration. Called at every start. */
  seed(tenancy: Tenancy, tenant: Tenant): Promise<void>
  /** Serves until `close()`. Port 0 is any free one. */
  start(options: {
    readonly tenancy: Tenancy
    readonly identity: readonly IdentityProvider[]
    readonly host: string
    readonly port: number
  }): Promise<RunningApplication>
}

export interface RunningApplication {
  readonly url: string
  close(): Promise<void>
}

/** @throws {ConfigurationError} when there is no such module, or it lacks an export. */
export async function loadApplication(file: string): Promise<Application> {
  shareOwnCopy()
  const url = pathToFileURL(resolve(file)).href
  const found = (await import(url).catch((error: Error) => {
    throw new ConfigurationError(`The application ${file} cannot be loaded: ${error.message}`, { cause: error })
  })) as Partial<Application>
  const wanted = { name: 'string', migrations: 'object', probe: 'object', seed: 'function', start: 'function' } as const
  const missing = Object.entries(wanted).filter(([name, type]) => typeof found[name as keyof Application] !== type)
  if (missing.length > 0) {
    throw new ConfigurationError(`${file} does not export ${missing.map(([name, type]) => `${name} (${type})`).join(', ')}.`)
  }
  if (!/^[a-z][a-z0-9-]{0,39}$/.test(found.name as string)) {
    throw new ConfigurationError(
      `${file} exports the name ${JSON.stringify(found.name)}; it must be lower-case letters, digits and dashes.`,
    )
  }
  return found as Application
}
