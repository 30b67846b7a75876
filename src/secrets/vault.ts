// HashiCorp Vault, and OpenBao, which speaks the same: the key/value engine, version 2.
// https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2
//
// There is no client of HashiCorp's for Node, and what is needed is four requests. What the server says of an error is not
// passed on: a proxy between may send back what it was sent. Nor are the causes that Node's fetch gives, which can hold a piece
// of an answer. What happened is told in our own words, with the status.

import { checkedSecret, checkedSecretName, checkedSecretPrefix, isSecret, isSecretName, type SecretStore } from '../core/secret-store.ts'
import { ConfigurationError, SecretStoreError } from '../errors.ts'
import { VaultRequests, type VaultRequestsOptions } from './vault-requests.ts'

export interface VaultSecretsOptions extends VaultRequestsOptions {
  /** Where the key/value engine is mounted. Default `secret`. */
  readonly mount?: string | undefined
  /** The folder of the mount that is partywall's. Default `partywall`. */
  readonly folder?: string | undefined
}

/** Folders that are listed at the same time. */
const listedAtOnceMax = 8

/**
 * Keeps each secret as the field `value` of `<mount>/<folder>/<name>`. `delete` removes all its versions and its metadata.
 * `list` asks once for each folder.
 *
 * @throws {ConfigurationError} for an address that is not https (plain http only for loopback), or another setting that is not
 * valid.
 * @example
 * ```ts
 * const secrets = vaultSecrets({ address: 'https://vault.example.com:8200', token: () => readFile('/run/vault/token', 'utf8') })
 * ```
 */
export function vaultSecrets(options: VaultSecretsOptions): SecretStore {
  return new VaultSecretStore(options)
}

class VaultSecretStore implements SecretStore {
  readonly kind = 'vault'
  readonly #requests: VaultRequests
  readonly #mount: string
  readonly #folder: string

  constructor(options: VaultSecretsOptions) {
    const { mount = 'secret', folder = 'partywall' } = options
    for (const [setting, value] of Object.entries({ mount, folder })) {
      if (!isSecretName(value)) throw new ConfigurationError(`${setting} is a path of lower-case segments, as in "secret".`)
    }
    this.#requests = new VaultRequests(options)
    this.#mount = mount
    this.#folder = folder
  }

  async get(name: string): Promise<string | undefined> {
    const path = this.#path('data', checkedSecretName(name))
    const answer = await this.#requests.send({ method: 'GET', path })
    if (answer === undefined) return undefined
    const value = fieldOf(fieldOf(fieldOf(answer, 'data'), 'data'), 'value')
    if (typeof value === 'string' && isSecret(value)) return value
    throw this.#misfit(path, 'has no text that could be a secret in its field "value"')
  }

  async put(name: string, value: string): Promise<void> {
    const path = this.#path('data', checkedSecretName(name))
    const answer = await this.#requests.send({ method: 'POST', path, body: { data: { value: checkedSecret(value) } } })
    // Version 1 of the engine takes the same request, and keeps something else.
    if (typeof fieldOf(fieldOf(answer, 'data'), 'version') === 'number') return
    throw this.#misfit(path, 'was not answered with a version')
  }

  async delete(name: string): Promise<void> {
    await this.#requests.send({ method: 'DELETE', path: this.#path('metadata', checkedSecretName(name)) })
  }

  async list(prefix: string): Promise<readonly string[]> {
    const folder = checkedSecretPrefix(prefix).slice(0, prefix.lastIndexOf('/') + 1)
    const names: string[] = []
    let folders: readonly string[] = [folder]
    while (folders.length > 0) {
      const deeper: string[] = []
      for (let start = 0; start < folders.length; start += listedAtOnceMax) {
        const some = folders.slice(start, start + listedAtOnceMax)
        for (const key of (await Promise.all(some.map((each) => this.#keysIn(each)))).flat()) {
          // A folder is gone into when names in it can begin so. What is no name of ours was put there by others.
          if (key.endsWith('/')) {
            if (isSecretName(key.slice(0, -1)) && (key.startsWith(prefix) || prefix.startsWith(key))) deeper.push(key)
          } else if (isSecretName(key) && key.startsWith(prefix)) names.push(key)
        }
      }
      folders = deeper
    }
    return names.sort()
  }

  /** What is directly in a folder, with the folder's name before it; folders in it end with a slash. */
  async #keysIn(folder: string): Promise<readonly string[]> {
    const path = this.#path('metadata', folder)
    const answer = await this.#requests.send({ method: 'GET', path, query: 'list=true' })
    if (answer === undefined) return []
    const keys = fieldOf(fieldOf(answer, 'data'), 'keys')
    if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string')) throw this.#misfit(path, 'was not answered with keys')
    return keys.map((key) => folder + key)
  }

  #path(what: 'data' | 'metadata', name: string): string {
    return `${this.#mount}/${what}/${this.#folder}/${name}`
  }

  #misfit(path: string, why: string): SecretStoreError {
    const message = `Vault: ${path} ${why}. Is there a key/value engine of version 2 at "${this.#mount}"?`
    return new SecretStoreError(message, { retryable: false, details: { path } })
  }
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, field)?.value : undefined
}
