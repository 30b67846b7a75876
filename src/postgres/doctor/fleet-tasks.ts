// Every place of the fleet, in the order of servers and databases, read from the catalog page by page while the doctor is under way.

import type { DoctorEvent } from '../../core/doctor-event.ts'
import type { DoctorPlace } from '../../core/doctor-finding.ts'
import type { ControlConnection } from '../control-pool.ts'
import type { FleetConnections } from '../fleet-connections.ts'
import type { DoctorCheck } from './check.ts'
import type { DoctorTask } from './run-doctor.ts'
import type { WayIn } from './visit.ts'

export interface FleetTasksOptions {
  readonly reader: ControlConnection
  readonly connections: FleetConnections
  readonly checks: readonly DoctorCheck[]
  /** Places that are wanted. Default: all. */
  readonly isWanted?: ((at: DoctorPlace) => boolean) | undefined
}

interface ServerRow {
  readonly name: string
  readonly state: 'provisioning' | 'active' | 'draining' | 'retired'
}

interface DatabaseRow {
  readonly name: string
  readonly state: 'provisioning' | 'stock' | 'ready' | 'draining' | 'dropping'
}

const pageRows = 200

/** So many databases of a server are tried before it is given up. */
const triesMax = 3

export async function* fleetTasks({ reader, connections, checks, isWanted }: FleetTasksOptions): AsyncGenerator<DoctorTask, void> {
  const wanted = isWanted ?? (() => true)
  for await (const server of serversOf(reader)) {
    const whole = { server: server.name, database: null }
    if (server.state === 'provisioning') {
      if (wanted(whole)) yield skipped(whole, `the server ${server.name}`)
      continue
    }
    if (wanted(whole)) {
      yield { at: whole, checks: checks.filter(({ scope }) => scope === 'server'), ways: await waysTo(server.name, reader, connections) }
    }
    for await (const { name, state } of databasesOf(reader, server.name)) {
      const at = { server: server.name, database: name }
      if (!wanted(at)) continue
      if (state === 'provisioning' || state === 'dropping') yield skipped(at, `the database ${name}`)
      else {
        const here = checks.filter(({ scope }) => scope === 'database' || (scope === 'catalog' && name === 'main'))
        yield { at, checks: here, ways: [asMigrator(connections, name)] }
      }
    }
  }
}

/** Any of its databases shows what all of them share. A server that has none yet lets in its administrator alone. */
async function waysTo(server: string, reader: ControlConnection, connections: FleetConnections): Promise<readonly WayIn[]> {
  const rows = await reader.query<{ name: string }>(
    `select d.name from partywall.databases as d
      where d.server_name = $1 and d.state in ('stock', 'ready', 'draining')
      order by d.name <> 'main', d.name
      limit $2`,
    [server, triesMax],
  )
  const asAdministrator: WayIn = (fn) => connections.asAdministrator(server, fn)
  return rows.length === 0 ? [asAdministrator] : rows.map(({ name }) => asMigrator(connections, name))
}

function asMigrator(connections: FleetConnections, database: string): WayIn {
  return (fn) => connections.asMigrator(database, fn)
}

async function* serversOf(reader: ControlConnection): AsyncGenerator<ServerRow, void> {
  yield* pages((after) =>
    reader.query<ServerRow>(
      `select s.name, s.state from partywall.servers as s where s.name > $1 and s.state <> 'retired' order by s.name limit ${pageRows}`,
      [after],
    ),
  )
}

async function* databasesOf(reader: ControlConnection, server: string): AsyncGenerator<DatabaseRow, void> {
  yield* pages((after) =>
    reader.query<DatabaseRow>(
      `select d.name, d.state from partywall.databases as d where d.server_name = $2 and d.name > $1 order by d.name limit ${pageRows}`,
      [after, server],
    ),
  )
}

async function* pages<Row extends { readonly name: string }>(read: (after: string) => Promise<readonly Row[]>): AsyncGenerator<Row, void> {
  for (let after = ''; ; ) {
    const rows = await read(after)
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < pageRows) return
    after = last.name
  }
}

/** It holds nobody who is served: when it is ready, the next look sees it. */
function skipped(at: DoctorPlace, what: string): DoctorTask {
  const events: readonly DoctorEvent[] = [
    { kind: 'unseen', unseen: { kind: 'limit', at, what, why: 'It is being made, or removed, at this moment.' } },
  ]
  return async () => events
}
