// Where passwords and keys are kept: outside the database that they open. Names are paths of plain segments, so that every
// store can hold them as they are.

import { InvalidInputError } from '../errors.ts'

/**
 * Keeps secrets by name. Whoever holds one can open every tenant's database: it is an operator's, and the application's own.
 *
 * No error of a store has any part of a secret in it, nor has what is printed of the store itself.
 */
export interface SecretStore {
  /** Which kind it is, for messages: `memory`, `file`, `environment`, `vault`, `aws`. */
  readonly kind: string
  /**
   * @returns the secret, or undefined when there is none of that name.
   * @throws {SecretStoreError} when the store does not answer, or refuses.
   */
  get(name: string): Promise<string | undefined>
  /** Keeps a secret, in the place of the one before. When it resolves, every process that asks gets it. */
  put(name: string, value: string): Promise<void>
  /** Removes every version of it. One that is not there is no error. */
  delete(name: string): Promise<void>
  /** The names that begin with `prefix`, in order of their characters; all of them for an empty one. */
  list(prefix: string): Promise<readonly string[]>
}

const namePattern = /^[a-z0-9][a-z0-9_-]{0,62}(\/[a-z0-9][a-z0-9_-]{0,62}){0,7}$/
const prefixPattern = /^([a-z0-9][a-z0-9_-]{0,62}\/){0,7}([a-z0-9][a-z0-9_-]{0,62})?$/

/** Longest name, in characters: the shortest that a store takes is 512, with its own folder before it. */
export const secretNameLengthMax = 255

/** Longest secret, in characters. */
export const secretLengthMax = 16_384

// The texts that are refused are not repeated: whoever confuses a name with a secret must not find the secret in a log.

/** @throws {InvalidInputError} for a name that some store could read as another one, or as a path out of it. */
export function checkedSecretName(name: string): string {
  if (isSecretName(name)) return name
  throw new InvalidInputError(
    `Not the name of a secret. Write one to eight segments of a-z, 0-9, - and _ with slashes between, as in "server/eu-1/app"; at most ${secretNameLengthMax} characters.`,
  )
}

/** Could a secret have this name? */
export function isSecretName(name: string): boolean {
  return typeof name === 'string' && name.length <= secretNameLengthMax && namePattern.test(name)
}

/** @throws {InvalidInputError} for a text with which no name of a secret can begin. */
export function checkedSecretPrefix(prefix: string): string {
  if (typeof prefix === 'string' && prefixPattern.test(prefix)) return prefix
  throw new InvalidInputError('No name of a secret begins so. Write the beginning of a name, as in "server/eu-1/", or nothing for all.')
}

/** @throws {InvalidInputError} for an empty secret, one longer than 16,384 characters, or one that UTF-8 cannot hold. */
export function checkedSecret(value: string): string {
  if (typeof value === 'string' && isSecret(value)) return value
  throw new InvalidInputError(`A secret has 1 to ${secretLengthMax} characters, no NUL and no half of a surrogate pair.`)
}

/** Could this have been put? What a store answers is asked, too: others may have written it there. */
export function isSecret(value: string): boolean {
  return value !== '' && value.length <= secretLengthMax && !value.includes('\0') && value.isWellFormed()
}
