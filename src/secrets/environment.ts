// Secrets that whoever starts the process hands it in its environment. They are read, never written.

import { checkedSecret, checkedSecretName, checkedSecretPrefix, isSecret, isSecretName, type SecretStore } from '../core/secret-store.ts'
import { InvalidInputError, SecretStoreError } from '../errors.ts'

const variablePrefix = 'PARTYWALL_SECRET_'

/**
 * Reads secrets from environment variables: `server/eu-1/app` is `PARTYWALL_SECRET_SERVER__EU_1__APP`.
 * An empty variable is none. Names that would share a variable with another name are refused, so `_` is not to be had in them.
 *
 * @param environment usually `process.env`. It is read at every call.
 * @example
 * ```ts
 * const secrets = environmentSecrets(process.env)
 * ```
 */
export function environmentSecrets(environment: Readonly<Record<string, string | undefined>>): SecretStore {
  return new EnvironmentSecretStore(environment)
}

class EnvironmentSecretStore implements SecretStore {
  readonly kind = 'environment'
  readonly #environment: Readonly<Record<string, string | undefined>>

  constructor(environment: Readonly<Record<string, string | undefined>>) {
    this.#environment = environment
  }

  async get(name: string): Promise<string | undefined> {
    const variable = variableOf(name)
    const value = this.#environment[variable]
    if (value === undefined || value === '') return undefined
    if (isSecret(value)) return value
    throw new SecretStoreError(`The environment variable ${variable} holds what no secret can be.`, { retryable: false })
  }

  async put(name: string, value: string): Promise<void> {
    checkedSecret(value)
    throw readOnly('written', variableOf(name))
  }

  async delete(name: string): Promise<void> {
    throw readOnly('deleted', variableOf(name))
  }

  async list(prefix: string): Promise<readonly string[]> {
    checkedSecretPrefix(prefix)
    return Object.entries(this.#environment)
      .filter(([, value]) => value !== undefined && value !== '')
      .map(([variable]) => nameOf(variable))
      .filter((name) => name?.startsWith(prefix) === true)
      .map(String)
      .sort()
  }
}

/** @throws {InvalidInputError} for a name whose variable is read as another name. */
function variableOf(name: string): string {
  const variable = spelled(checkedSecretName(name))
  if (nameIn(variable) === name) return variable
  throw new InvalidInputError(`The secret ${name} cannot be in the environment: ${variable} is read as ${nameIn(variable)}.`)
}

/** The name that a variable spells; undefined for a variable of something else. */
function nameOf(variable: string): string | undefined {
  if (!variable.startsWith(variablePrefix)) return undefined
  const name = nameIn(variable)
  return spelled(name) === variable && isSecretName(name) ? name : undefined
}

function spelled(name: string): string {
  return variablePrefix + name.replaceAll('/', '__').replaceAll('-', '_').toUpperCase()
}

function nameIn(variable: string): string {
  return variable.slice(variablePrefix.length).replaceAll('__', '/').replaceAll('_', '-').toLowerCase()
}

function readOnly(deed: string, variable: string): SecretStoreError {
  return new SecretStoreError(
    `Secrets in the environment cannot be ${deed}. Change ${variable} where the process is started, or use a store that can be written.`,
    { retryable: false },
  )
}
