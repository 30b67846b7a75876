// A tenant is suspended for a moment, wherever it lives: it must be refused over HTTP, and in SQL by its own database.

import { setTimeout as delay } from 'node:timers/promises'
import { InternalError } from '../errors.ts'
import { ControlPool } from '../postgres/control-pool.ts'
import type { Tenancy } from '../tenancy.ts'
import { tryAll, type WallReport } from './wall-check.ts'
import { ask, attackOn, described, noCapability, said, type WallAnswer } from './wall-doors.ts'
import { refusal } from './wall-refusal.ts'
import type { WallCheckOptions, WallParty } from './wall-stage.ts'

export interface SuspensionCheckOptions {
  readonly tenancy: Tenancy
  readonly suspension: NonNullable<WallCheckOptions['suspension']>
  /** Where the application serves. */
  readonly url: string
  /** URL of the login that runs the tenant's statements, in the tenant's database. */
  readonly database: string
  readonly probe: WallCheckOptions['probe']
  readonly party: WallParty
}

/** A process hears of a change a moment after it. */
const pollMs = 20
const pollsMax = 500

/**
 * Suspends, tries, and resumes.
 *
 * @throws {InternalError} when the tenant is not served before, or not served again after it was resumed.
 */
export async function checkSuspension(options: SuspensionCheckOptions): Promise<WallReport> {
  const { tenancy, suspension, url, database, probe, party } = options
  const { tenant, token, apiKey } = party
  const pool = new ControlPool({ connectionString: database, applicationName: 'partywall self-check', connectionsMax: 1 })
  const list = new URL(probe.collection, url)
  const read = (capability: string | typeof noCapability) =>
    attackOn(pool, { texts: [`select * from ${probe.table}`], schema: tenant.placement.schema, capability })
  const refused = (answer: WallAnswer): string | undefined => (answer.status === 403 ? undefined : said(answer))
  try {
    const { handle } = await tenancy.issueCapability(tenant.id, { ttlMs: 60_000, reason: 'partywall self-check' })
    const before = await read(handle)
    if (!('rows' in before)) throw new InternalError(`${tenant.slug} cannot read its own rows: ${described(before)}`)
    await suspension.suspend(tenant)
    try {
      return await tryAll([
        { name: 'be served while suspended, by token', door: 'HTTP', run: async () => refused(await ask(list, token)) },
        {
          name: 'be served while suspended, by API key',
          door: 'HTTP',
          run: async () => refused(await ask(list, undefined, { headers: { 'x-api-key': apiKey } })),
        },
        { name: 'read with a capability from before the suspension', door: 'SQL', run: async () => refusal(await read(handle)) },
        { name: 'read with no capability', door: 'SQL', run: async () => refusal(await read(noCapability)) },
      ])
    } finally {
      await suspension.resume(tenant)
      await servedAgain(list, token)
    }
  } finally {
    await pool.close()
  }
}

async function servedAgain(list: URL, token: string): Promise<void> {
  let answer = await ask(list, token)
  for (let polls = 0; answer.status !== 200 && polls < pollsMax; polls++) {
    await delay(pollMs)
    answer = await ask(list, token)
  }
  if (answer.status !== 200) throw new InternalError(`A tenant that was resumed is not served: ${said(answer)}`)
}
