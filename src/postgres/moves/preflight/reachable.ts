// Whether the servers answer, and each the other. That is tried for real: with a login as the move will have it, which lives for a
// moment, and a subscription in a transaction that is rolled back.

import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { MemorySecretStore } from '../../../core/memory-secret-store.ts'
import { ControlPool } from '../../control-pool.ts'
import { dropTransferLogin, ensureTransferLogin, type TransferAccess, type TransferLogin } from '../../transfer-login.ts'
import { type MoveCheck, onServer, type SaidAt } from '../check.ts'
import type { MovePlace, MoveSurvey } from '../survey.ts'

const timeoutMs = 5_000

/** Where the login comes to, and from where the other server is called. */
interface End {
  readonly place: MovePlace
  readonly server: string
  readonly database: string
}

export const reachable: MoveCheck = {
  rule: 'reachable',
  level: 'refuse',
  async check(survey) {
    const { source, target } = survey
    const found = [source, target].flatMap((place) => answers(place))
    if (found.length > 0 || target.isPromised) return found
    const ends = await Promise.all([source, target].map((place) => endOf(place, survey)))
    return await probe(survey, ends as [End, End])
  },
}

function answers(place: MovePlace): readonly SaidAt[] {
  const { server } = place.placement
  const at = onServer(place)
  if (place.isPromised) {
    const problem =
      'The server is made for the tenant when the move has begun. What it can do is seen then: let its provisioner make it able to replicate.'
    return [{ level: 'warn', at, object: server, problem }]
  }
  if (place.problem !== undefined) return [{ at, object: server, problem: `It does not answer: ${place.problem}` }]
  if (place.server === undefined) return [{ at, object: server, problem: 'The catalog has no such server: register it.' }]
  if (place.side === 'source' && !place.isMade)
    return [{ at, object: `${place.placement.database}.${place.placement.schema}`, problem: 'The tenant’s tables are not there.' }]
  return []
}

/** Two names in the catalog may be one server: the login is made there once. A database that is not made yet is stood in for. */
async function endOf(place: MovePlace, { source, target }: MoveSurvey): Promise<End> {
  const isOne = source.server?.identifier === target.server?.identifier
  const { databaseName } = place
  const [there] = await place.administer(
    'select from pg_catalog.pg_database as d where d.datname = $1 and d.datallowconn',
    [databaseName ?? ''],
    'postgres',
  )
  return {
    place,
    server: isOne ? source.placement.server : place.placement.server,
    database: there === undefined ? 'postgres' : databaseName!,
  }
}

async function probe({ connections, tenant }: MoveSurvey, ends: readonly [End, End]): Promise<readonly SaidAt[]> {
  const access: TransferAccess = { connections, secrets: new MemorySecretStore() }
  const id = randomUUID()
  const servers = [...new Set(ends.map(({ server }) => server))]
  const sites = servers.map((server) => ({
    server,
    databases: [...new Set(ends.filter((end) => end.server === server).map(({ database }) => database))],
  }))
  try {
    const login = await ensureTransferLogin(access, { id, tenant }, sites)
    const [source, target] = ends
    return [...(await call(login, { from: target, to: source })), ...(await call(login, { from: source, to: target }))]
  } catch (error) {
    const [{ place }] = ends
    return [{ at: onServer(place), object: 'login', problem: `The login that a move needs cannot be made: ${(error as Error).message}` }]
  } finally {
    await dropTransferLogin(access, id, sites)
  }
}

async function call(login: TransferLogin, { from, to }: { readonly from: End; readonly to: End }): Promise<readonly SaidAt[]> {
  const url = new URL(await login.url(to.server, to.database))
  url.searchParams.set('connect_timeout', String(timeoutMs / 1000))
  // libpq takes a plus for a plus.
  const connection = url.href.replaceAll('+', '%20')
  const pool = new ControlPool({
    connectionString: await login.url(from.server, from.database),
    applicationName: 'partywall move check',
    connectionsMax: 1,
    connectTimeoutMs: timeoutMs,
    statementTimeoutMs: 2 * timeoutMs,
  })
  const name = `pw_probe_${login.name.slice(-12)}`
  try {
    await pool.session(async (session) => {
      await session.query('begin; set local client_min_messages = error')
      await session.query(
        `create subscription ${name} connection ${pg.escapeLiteral(connection)} publication ${name}
           with (connect = true, create_slot = false, slot_name = none, enabled = false, copy_data = false)`,
      )
      await session.query('rollback')
    })
    return []
  } catch (error) {
    return [tell(error as Error & { readonly code?: string; readonly detail?: string }, { from, to })]
  } finally {
    await pool.close()
  }
}

function tell(
  error: Error & { readonly code?: string; readonly detail?: string },
  { from, to }: { readonly from: End; readonly to: End },
): SaidAt {
  const [caller, called] = [from.place.placement.server, to.place.placement.server]
  const at = onServer(to.place)
  const object = `${caller} to ${called}`
  // prohibited_sql_statement_attempted: the subscription of one that is no superuser must prove who it is.
  if (error.code === '2F003')
    return {
      at,
      object,
      problem: `The server ${called} lets ${caller} in without asking for a password, and PostgreSQL refuses such a subscription. Let pg_hba.conf there say scram-sha-256.`,
    }
  const why = [error.message, error.detail].filter((text) => text !== undefined && text !== '').join(' ')
  return { at, object, problem: `The server ${caller} cannot replicate from ${called}: ${why}` }
}
