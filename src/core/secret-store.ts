// Where passwords and keys are kept: outside the database that they open. Names are paths of plain segments, so that every
// store can hold them as they are.

import { InvalidInputError } from '../errors.ts'

/** Keeps secrets by name. Whoever holds one can open every tenant's database: it is an operator's, and the application's own. */
export interface SecretStore {
  /** Which kind it is, for messages: `file`, `environment`, `vault`, `aws`. */
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
  /** The names that begin with `prefix`, in order. */
  list(prefix: string): Promise<readonly string[]>
}

const namePattern = /^[a-z0-9][a-z0-9_-]{0,62}(\/[a-z0-9][a-z0-9_-]{0,62}){0,7}$/

/** Longest secret, in characters. */
export const secretLengthMax = 16_384

/** @throws {InvalidInputError} for a name that some store could read as another one, or as a path out of it. */
export function checkedSecretName(name: string): string {
  if (namePattern.test(name)) return name
  throw new InvalidInputError(
    `Not the name of a secret: ${JSON.stringify(name.slice(0, 80))}. Write lower-case segments with slashes between.`,
  )
}

/** @throws {InvalidInputError} for an empty secret, or one longer than 16,384 characters. */
export function checkedSecret(value: string): string {
  if (value !== '' && value.length <= secretLengthMax && !value.includes('\0')) return value
  throw new InvalidInputError(`A secret has 1 to ${secretLengthMax} characters, and no NUL.`)
}
