// The login that runs the application's statements, in the hands of whoever can run any text as it: what an injection can become.

import { ControlPool } from '../../postgres/control-pool.ts'
import type { Statement } from './attack.ts'

/** What an attempt got. */
export interface Loot {
  /** Everything that was shown, as text: rows, notices, errors. */
  readonly shown: string
  /** Rows of the last statement. */
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  /** Rows that the last statement returned or touched. */
  readonly count: number
  readonly code: string | undefined
  readonly message: string
}

type Client = Awaited<ReturnType<ControlPool['dedicated']>>

interface CopyingConnection {
  on(event: 'copyData', listener: (message: { readonly chunk: Buffer }) => void): void
}

export class Attacker {
  readonly #pool: ControlPool
  #client: Client | undefined
  #notices: string[] = []

  constructor(appUrl: string) {
    this.#pool = new ControlPool({ connectionString: appUrl, applicationName: 'partywall kit attacker', statementTimeoutMs: 20_000 })
  }

  /** A transaction with this capability bound as an application's lease would have it, or with none. */
  async attempt(
    statements: readonly Statement[],
    options: { readonly capability: string | undefined; readonly commits: boolean },
  ): Promise<Loot> {
    const client = await this.#open()
    const shown: unknown[] = []
    let rows: Loot['rows'] = []
    let count = 0
    this.#notices = []
    const loot = (code: string | undefined, message: string): Loot => ({
      shown: `${JSON.stringify(shown)} ${this.#notices.join('\n')} ${message}`,
      rows,
      count,
      code,
      message,
    })
    try {
      await client.query('begin')
      if (options.capability !== undefined) await client.query('select partywall.bind($1)', [options.capability])
      for (const statement of statements) {
        const result =
          typeof statement === 'string' ? await client.query(statement) : await client.query(statement.text, [...statement.values])
        // Several statements in one text have several results.
        const last = Array.isArray(result) ? result.at(-1) : result
        rows = last?.rows ?? []
        count = last?.rowCount ?? 0
        shown.push(rows)
      }
      await client.query(options.commits ? 'commit' : 'rollback')
      return loot(undefined, '')
    } catch (error) {
      const { code, message, detail } = error as { readonly code?: string; readonly message: string; readonly detail?: string }
      if (code === undefined || !/^[0-9A-Z]{5}$/.test(code)) {
        await this.#lose()
        return loot('08006', message)
      }
      await client.query('rollback').catch(() => this.#lose())
      return loot(code, `${message} ${detail ?? ''}`)
    } finally {
      // What an attempt leaves in the session is an attempt of its own, and must not help the next one.
      await this.#client?.query('discard all').catch(() => this.#lose())
    }
  }

  async close(): Promise<void> {
    await this.#client?.end()
    this.#client = undefined
    await this.#pool.close()
  }

  async #open(): Promise<Client> {
    if (this.#client !== undefined) return this.#client
    const client = await this.#pool.dedicated()
    client.on('error', () => {})
    client.on('notice', (notice) => this.#notices.push(`${notice.message} ${notice.detail ?? ''}`))
    // The driver hands what COPY sends to nobody; it is the very thing that is looked for.
    const { connection } = client as unknown as { readonly connection: CopyingConnection }
    connection.on('copyData', ({ chunk }) => this.#notices.push(chunk.toString('utf8')))
    this.#client = client
    return client
  }

  async #lose(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => {})
  }
}
