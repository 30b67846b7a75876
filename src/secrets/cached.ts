// Remembers what a store answered, so that a thousand connections that open at once are one question.

import { LRUCache } from 'lru-cache'
import { type Clock, systemClock } from '../core/clock.ts'
import type { SecretStore } from '../core/secret-store.ts'
import { ConfigurationError } from '../errors.ts'

export interface CachedSecretsOptions {
  /** How long a secret is believed, in milliseconds from when the store was asked. */
  readonly ttlMs: number
  /** How many are remembered; those not asked for longest go first. Default 10,000. */
  readonly secretsMax?: number | undefined
  readonly clock?: Clock | undefined
}

/** A store that remembers. */
export interface CachedSecretStore extends SecretStore {
  /** What is remembered of this name is not to be believed any more: the next `get` asks the store. */
  forget(name: string): void
}

/**
 * Answers from memory for `ttlMs`, and asks the store once for all who wait for the same name. That there is no such secret is not
 * remembered, nor is a failure. `put` and `delete` go to the store and forget; other processes learn of them after `ttlMs`, or
 * by `forget`, which partywall calls when a server refuses a password.
 */
export function cachedSecrets(store: SecretStore, options: CachedSecretsOptions): CachedSecretStore {
  return new Cached(store, options)
}

class Cached implements CachedSecretStore {
  readonly kind: string
  readonly #store: SecretStore
  readonly #known: LRUCache<string, string>
  readonly #now: () => number
  readonly #asking = new Map<string, Promise<string | undefined>>()

  constructor(store: SecretStore, { ttlMs, secretsMax = 10_000, clock = systemClock }: CachedSecretsOptions) {
    if (!Number.isInteger(ttlMs) || ttlMs < 1) throw new ConfigurationError('ttlMs is a number of milliseconds from 1 up.')
    if (!Number.isInteger(secretsMax) || secretsMax < 1) throw new ConfigurationError('secretsMax is a number from 1 up.')
    this.kind = store.kind
    this.#store = store
    // To the cache a time of 0 is no time: what was remembered then would never grow old.
    this.#now = () => clock.monotonic() + 1
    this.#known = new LRUCache({ max: secretsMax, ttl: ttlMs, ttlResolution: 0, perf: { now: this.#now } })
  }

  async get(name: string): Promise<string | undefined> {
    return this.#known.get(name) ?? this.#asking.get(name) ?? this.#ask(name)
  }

  async put(name: string, value: string): Promise<void> {
    // Forgotten before and after: what is asked in between may be answered with either.
    this.forget(name)
    await this.#store.put(name, value).finally(() => this.forget(name))
  }

  async delete(name: string): Promise<void> {
    this.forget(name)
    await this.#store.delete(name).finally(() => this.forget(name))
  }

  async list(prefix: string): Promise<readonly string[]> {
    return this.#store.list(prefix)
  }

  forget(name: string): void {
    this.#known.delete(name)
    // An answer that is under way may be of the time before: those who wait get it, nobody after them.
    this.#asking.delete(name)
  }

  async #ask(name: string): Promise<string | undefined> {
    // A slow answer is as old as its question.
    const start = this.#now()
    const answer = this.#store.get(name)
    this.#asking.set(name, answer)
    try {
      const value = await answer
      if (value !== undefined && this.#asking.get(name) === answer) this.#known.set(name, value, { start })
      return value
    } finally {
      if (this.#asking.get(name) === answer) this.#asking.delete(name)
    }
  }
}
