// A real streaming replica of the test server, made by a base backup.

import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../src/postgres/embedded.ts'
import { takeBaseBackup } from './base-backup.ts'
import { testServer } from './server.ts'

export interface TestReplica {
  readonly host: string
  readonly port: number
  /** The superuser, on the replica. */
  readonly control: ControlPool
  /** Resolves when the replica has replayed what the primary has written until now. */
  caughtUp(): Promise<void>
  /** Ends the server at once, as a crash would. */
  kill(): Promise<void>
  /** Starts it again, at the same port. */
  start(): Promise<void>
  close(): Promise<void>
}

/** A replica of the server that all tests of this file use. Close it. */
export async function testReplica(): Promise<TestReplica> {
  const { superuserUrl, port: primaryPort } = await testServer()
  const primary = new ControlPool({ connectionString: superuserUrl, applicationName: 'test-replica', statementTimeoutMs: 60_000 })
  const slot = `replica_${randomBytes(4).toString('hex')}`
  const directory = await mkdtemp(join(tmpdir(), 'partywall-replica-'))
  const password = decodeURIComponent(new URL(superuserUrl).password)
  const settings = {
    fsync: 'off',
    max_connections: 200,
    shared_buffers: '32MB',
    hot_standby: 'on',
    max_standby_streaming_delay: '30s',
    primary_conninfo: `host=127.0.0.1 port=${primaryPort} user=postgres password=${password}`,
    primary_slot_name: slot,
  }
  await backUp({ primary, slot, directory, password })
  const start = (port?: number): Promise<EmbeddedServer> =>
    startEmbeddedServer({ directory, settings, port, binDirectory: process.env['PARTYWALL_TEST_POSTGRES_BIN'] })
  let server = await start()
  const { host, port } = server
  const control = new ControlPool({ connectionString: server.superuserUrl, applicationName: 'test-replica' })
  return {
    host,
    port,
    control,
    async caughtUp() {
      const [at] = await primary.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn')
      for (;;) {
        const [row] = await control.query<{ done: boolean }>('select pg_last_wal_replay_lsn() >= $1::pg_lsn as done', [at!.lsn])
        if (row!.done) return
      }
    },
    async kill() {
      const pid = Number((await readFile(join(server.dataDirectory, 'postmaster.pid'), 'utf8')).split('\n')[0])
      process.kill(pid, 'SIGQUIT')
      await server.stop()
    },
    async start() {
      server = await start(port)
    },
    async close() {
      await control.close()
      await server.stop()
      // The sender notices that its receiver is gone a moment later.
      for (let isHeld = true; isHeld; ) {
        const rows = await primary.query(
          'select pg_drop_replication_slot(s.slot_name) from pg_replication_slots as s where s.slot_name = $1 and not s.active',
          [slot],
        )
        isHeld = rows.length === 0
      }
      await primary.close()
      await rm(server.dataDirectory, { recursive: true, force: true })
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function backUp(options: {
  readonly primary: ControlPool
  readonly slot: string
  readonly directory: string
  readonly password: string
}): Promise<void> {
  const { primary, slot, directory, password } = options
  await primary.query('select pg_create_physical_replication_slot($1, true)', [slot])
  const base = await takeBaseBackup(primary, { directory, password })
  await base.write('standby.signal', '')
}
