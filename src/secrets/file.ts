// One file a secret, below one directory, for their owner alone. For development, and for one machine that keeps its own.
//
// A directory and its sub-directories have mode 0700 and belong to the user that runs this, so that nobody else can put anything
// in the place of what was looked at. The segments of a name are directories, its last one is a file `<segment>.secret`: with the
// ending `a` and `a/b` can both be there, and nothing else in the directory is taken for a secret.

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import {
  checkedSecret,
  checkedSecretName,
  checkedSecretPrefix,
  isSecret,
  isSecretName,
  type SecretStore,
  secretLengthMax,
} from '../core/secret-store.ts'
import { ConfigurationError, SecretStoreError } from '../errors.ts'

export interface FileSecretsOptions {
  /** Where the secrets are. Made with mode 0700 at the first `put`. */
  readonly directory: string
}

const ending = '.secret'
/** A unit of UTF-16 takes up to three bytes in UTF-8. */
const fileBytesMax = 3 * secretLengthMax
/** How often a `put` starts again because a `delete` of the same name took its draft or its directory away. */
const putTriesMax = 20

/**
 * Keeps each secret in a file with mode 0600 below `directory`. A file holds the secret and nothing more: a line feed at its end
 * is part of it.
 *
 * Every call refuses, with a `SecretStoreError`, a directory or file that others may read or own, and a symbolic link.
 * `list` looks at what it lists, so `list('')` when a process starts finds all that would be refused later, one by one.
 * Needs a POSIX file system.
 *
 * @throws {ConfigurationError} when no directory is given.
 */
export function fileSecrets({ directory }: FileSecretsOptions): SecretStore {
  // Of an empty one the working directory would be made.
  if (typeof directory !== 'string' || directory === '') throw new ConfigurationError('directory is the path of a directory.')
  return new FileSecretStore(resolve(directory))
}

class FileSecretStore implements SecretStore {
  readonly kind = 'file'
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  async get(name: string): Promise<string | undefined> {
    const file = this.#fileOf(name)
    return this.#explained(`read ${file}`, async () => ((await this.#isPrivatePath(dirname(file))) ? readSecret(file) : undefined))
  }

  async put(name: string, value: string): Promise<void> {
    const file = this.#fileOf(name)
    checkedSecret(value)
    await this.#explained(`write ${file}`, async () => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await this.#write(file, value)
        } catch (error) {
          if (tries === putTriesMax || !isMissing(error)) throw error
        }
      }
    })
  }

  async delete(name: string): Promise<void> {
    const file = this.#fileOf(name)
    await this.#explained(`delete ${file}`, async () => {
      if (!(await this.#isPrivatePath(dirname(file)))) return
      await rm(file, { force: true })
      // A process that was killed may have left a draft, and a draft is a version.
      for (const entry of await namesIn(dirname(file))) {
        if (isDraftOf(file, entry)) await rm(join(dirname(file), entry), { force: true })
      }
      await synced(dirname(file))
      await this.#removeEmpty(dirname(file))
    })
  }

  async list(prefix: string): Promise<readonly string[]> {
    const folder = checkedSecretPrefix(prefix).slice(0, prefix.lastIndexOf('/') + 1)
    const directory = join(this.#root, ...folder.split('/'))
    const names = await this.#explained(`list ${directory}`, async () =>
      (await this.#isPrivatePath(directory)) ? namesBelow(directory, folder, prefix) : [],
    )
    return names.filter(isSecretName).sort()
  }

  #fileOf(name: string): string {
    return join(this.#root, ...checkedSecretName(name).split('/')) + ending
  }

  async #write(file: string, value: string): Promise<void> {
    const directory = dirname(file)
    // What is there is looked at first, so that nothing is made behind a link, and what was made is looked at as well.
    if (!(await this.#isPrivatePath(directory))) {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      await this.#isPrivatePath(directory)
      for (let path = directory; path !== this.#root; path = dirname(path)) await synced(dirname(path))
    }
    await refuseStranger(file)
    const draft = `${file}.${randomBytes(8).toString('hex')}`
    try {
      const handle = await open(draft, 'wx', 0o600)
      try {
        await handle.writeFile(value, 'utf8')
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(draft, file)
    } catch (error) {
      await rm(draft, { force: true })
      throw error
    }
    await synced(directory)
  }

  /** Looks at every directory from the root down. @returns false when one is not there. */
  async #isPrivatePath(directory: string): Promise<boolean> {
    const segments = directory.slice(this.#root.length).split('/').filter(Boolean)
    let path = this.#root
    for (const segment of ['', ...segments]) {
      path = join(path, segment)
      const found = await lstat(path).catch(undefinedWhenMissing)
      if (found === undefined) return false
      if (!found.isDirectory()) throw refused(path, 'is not a directory')
      refuseOpen(path, found)
    }
    return true
  }

  /** A purged tenant leaves no directory with its id behind. One that is not empty, or gone already, stays as it is. */
  async #removeEmpty(directory: string): Promise<void> {
    for (let path = directory; path !== this.#root; path = dirname(path)) {
      try {
        await rmdir(path)
      } catch {
        return
      }
    }
  }

  /** What the file system says names paths, never what is in a file. */
  async #explained<T>(deed: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof SecretStoreError) throw error
      const { code, message } = error as NodeJS.ErrnoException
      const isPassing = ['EMFILE', 'ENFILE', 'EAGAIN', 'EBUSY', 'ENOENT'].includes(code ?? '')
      throw new SecretStoreError(`The secret store could not ${deed}: ${message}`, { cause: error, retryable: isPassing })
    }
  }
}

async function readSecret(file: string): Promise<string | undefined> {
  // Not to wait for a pipe that somebody put there, nor to follow a link.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const handle = await open(file, flags).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ELOOP') throw refused(file, 'is a symbolic link')
    return undefinedWhenMissing(error)
  })
  if (handle === undefined) return undefined
  try {
    const found = await handle.stat()
    if (!found.isFile()) throw refused(file, 'is not a plain file')
    refuseOpen(file, found)
    const value = found.size <= fileBytesMax ? await decoded(handle) : undefined
    if (value === undefined || !isSecret(value)) throw refused(file, 'holds what no secret can be: nothing, too much, or no UTF-8')
    return value
  } finally {
    await handle.close()
  }
}

async function decoded(handle: FileHandle): Promise<string | undefined> {
  const bytes = await handle.readFile()
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    // The decoder's own error is not kept: it need not know what is secret.
    return undefined
  }
}

/** @param folder the name of a directory that was looked at, with a slash at its end. Only what begins as wanted is looked at. */
async function namesBelow(directory: string, folder: string, wanted: string): Promise<readonly string[]> {
  const names: string[] = []
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(noneWhenMissing)) {
    const [path, name] = [join(directory, entry.name), folder + entry.name]
    if (!name.startsWith(wanted)) continue
    if (entry.isSymbolicLink()) throw refused(path, 'is a symbolic link')
    if (entry.isDirectory()) {
      const found = await lstat(path).catch(undefinedWhenMissing)
      if (found === undefined) continue
      if (!found.isDirectory()) throw refused(path, 'is not a directory')
      refuseOpen(path, found)
      names.push(...(await namesBelow(path, `${name}/`, wanted)))
    } else if (entry.name.endsWith(ending)) {
      await refuseStranger(path)
      names.push(name.slice(0, -ending.length))
    }
  }
  return names
}

/** What a new version replaces, and what is listed, is looked at like what is read. */
async function refuseStranger(file: string): Promise<void> {
  const found = await lstat(file).catch(undefinedWhenMissing)
  if (found === undefined) return
  if (found.isSymbolicLink()) throw refused(file, 'is a symbolic link')
  if (!found.isFile()) throw refused(file, 'is not a plain file')
  refuseOpen(file, found)
}

function refuseOpen(path: string, found: { readonly mode: number; readonly uid: number }): void {
  if ((found.mode & 0o077) !== 0) throw refused(path, `can be read by others (mode ${(found.mode & 0o777).toString(8)}): chmod go= it`)
  if (found.uid !== process.geteuid?.()) throw refused(path, 'belongs to another user')
}

function refused(path: string, why: string): SecretStoreError {
  return new SecretStoreError(`Secrets are not read or written here: ${path} ${why}.`, { retryable: false })
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch(noneWhenMissing)
}

function isDraftOf(file: string, entry: string): boolean {
  const path = join(dirname(file), entry)
  return path.startsWith(`${file}.`) && /^[0-9a-f]{16}$/.test(path.slice(file.length + 1))
}

/** So that a secret that was reported as kept is there after a power cut. */
async function synced(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY).catch(undefinedWhenMissing)
  if (handle === undefined) return
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

function undefinedWhenMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}

function noneWhenMissing(error: unknown): [] {
  if (!isMissing(error)) throw error
  return []
}
