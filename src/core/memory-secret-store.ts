// Secrets that end with the process: for tests, and the reference of what every store promises.

import { checkedSecret, checkedSecretName, checkedSecretPrefix, type SecretStore } from './secret-store.ts'

export class MemorySecretStore implements SecretStore {
  readonly kind = 'memory'
  readonly #secrets = new Map<string, string>()

  /** @param secrets what is there from the start, by name. */
  constructor(secrets: Readonly<Record<string, string>> = {}) {
    for (const [name, value] of Object.entries(secrets)) this.#secrets.set(checkedSecretName(name), checkedSecret(value))
  }

  async get(name: string): Promise<string | undefined> {
    return this.#secrets.get(checkedSecretName(name))
  }

  async put(name: string, value: string): Promise<void> {
    this.#secrets.set(checkedSecretName(name), checkedSecret(value))
  }

  async delete(name: string): Promise<void> {
    this.#secrets.delete(checkedSecretName(name))
  }

  async list(prefix: string): Promise<readonly string[]> {
    checkedSecretPrefix(prefix)
    return [...this.#secrets.keys()].filter((name) => name.startsWith(prefix)).sort()
  }
}

/** Secrets in this process alone. `secrets` are there from the start. */
export function memorySecrets(secrets: Readonly<Record<string, string>> = {}): SecretStore {
  return new MemorySecretStore(secrets)
}
