// Live canaries at start: the wall is not only read in the catalogs, it is tried.

import { BootRefusedError } from '../errors.ts'
import { ControlPool } from './control-pool.ts'

/**
 * Tries the app's login: it must reach the same database as the gatekeeper, and without a capability it must be nobody.
 *
 * @returns the role that the app's login really has.
 * @throws {BootRefusedError}
 */
export async function assertSealed(parts: {
  readonly reader: ControlPool
  readonly database: string
  readonly applicationName: string
}): Promise<string> {
  // Perhaps through a pooler; the limits of the app's role hold there too.
  const app = new ControlPool({
    connectionString: parts.database,
    applicationName: `${parts.applicationName} boot`,
    connectionsMax: 1,
    statementTimeoutMs: 0,
  })
  try {
    const here = `select current_user::text as role, current_database()::text as database, to_regclass('partywall.bound')::oid::text as wall`
    const [theirs] = await parts.reader.query<{ database: string; wall: string | null }>(here)
    if (theirs?.wall == null) {
      throw refusal(
        'not_installed',
        'partywall is not installed in the catalog’s database. Run `partywall init`, or installPartywall(), first.',
      )
    }
    const [ours] = await app.query<{ role: string; database: string; wall: string | null }>(here)
    if (ours?.wall !== theirs.wall || ours.database !== theirs.database) {
      throw refusal(
        'other_database',
        'The app’s login and the gatekeeper’s reach different databases: a capability of one is nothing in the other.',
      )
    }
    const answer = await app.query('select b.tenant_id from partywall.bound as b').catch((error: { code?: unknown }) => error.code)
    if (answer !== 'PW001') {
      throw refusal(
        'not_sealed',
        `Without a capability the app should be refused (PW001); it got ${typeof answer === 'string' ? answer : 'an answer'}. Is it the app’s login?`,
      )
    }
    return ours.role
  } finally {
    await app.close()
  }
}

function refusal(rule: string, problem: string): BootRefusedError {
  return new BootRefusedError(problem, { details: { findings: [{ rule, object: 'database', problem, fix: null }] } })
}
