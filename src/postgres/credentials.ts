// With what a pool connects: known from the start, or asked for when the first connection is wanted, and again when the
// server refuses what was known. Passwords are rotated while the application runs: the connections that are open live on.

import pg from 'pg'
import { runOutside } from '../core/tenant-context.ts'
import { DatabaseUnavailableError } from '../errors.ts'

/**
 * Where a pool's credentials come from: a secret store, say. It is asked once and its answer kept, and asked again with
 * `refresh` when the server refuses it: then whatever is cached on the way is to be read anew.
 */
export type CredentialSource = (options: { readonly refresh: boolean }) => Promise<{ readonly connectionString: string }>

export interface CredentialsOptions {
  /** Either this … */
  readonly connectionString?: string | undefined
  /** … or this. */
  readonly source?: CredentialSource | undefined
  /** How long the source may take. */
  readonly timeoutMs: number
}

export class Credentials {
  readonly #source: CredentialSource | undefined
  readonly #timeoutMs: number
  #current: string | undefined
  #isRefreshed = false
  #isLoading = false

  constructor(options: CredentialsOptions) {
    this.#source = options.source
    this.#timeoutMs = options.timeoutMs
    this.#current = options.connectionString
  }

  get current(): string | undefined {
    return this.#current
  }

  get isLoading(): boolean {
    return this.#isLoading
  }

  /** The server took them: when it refuses them later, they have been rotated. */
  worked(): void {
    this.#isRefreshed = false
  }

  /** May asking again help, now that the server has refused `connectionString`? */
  mayRefresh(connectionString: string): boolean {
    if (this.#source === undefined) return false
    return this.#isLoading || this.#current !== connectionString || !this.#isRefreshed
  }

  /** Forgets what was asked for: the next load asks again. */
  forget(): void {
    if (this.#source !== undefined) this.#current = undefined
  }

  /** Loads them. One load at a time: the caller looks at `isLoading` first. */
  async load(options: { readonly refresh: boolean }): Promise<void> {
    const source = this.#source
    if (source === undefined) return
    this.#isLoading = true
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new DatabaseUnavailableError(`The credentials did not come within ${this.#timeoutMs} ms.`)),
        this.#timeoutMs,
      ).unref()
    })
    try {
      const { connectionString } = await Promise.race([runOutside(async () => source(options)), late])
      this.#current = connectionString
      this.#isRefreshed = options.refresh
    } finally {
      clearTimeout(timer)
      this.#isLoading = false
    }
  }
}

/** The server that a connection string leads to, as `host:port`: what its health is known by. */
export function serverOf(connectionString: string): string {
  const { host, port } = new pg.Client({ connectionString })
  return `${host}:${port}`
}
