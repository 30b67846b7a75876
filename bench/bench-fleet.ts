// A fleet on a durable server of its own, as an application opens one: the wall, 1,000 pooled tenants with some rows, a grown table
// of gates, a database for schemas, and the migrations of the documents example in a directory of their own.

import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { memorySecrets } from '../src/core/memory-secret-store.ts'
import type { SecretStore } from '../src/core/secret-store.ts'
import { type Fleet, openFleet } from '../src/fleet.ts'
import { secureServer } from '../src/postgres/placements/secure-server.ts'
import { type BenchDatabase, openDatabase } from './database.ts'

export interface BenchFleet extends AsyncDisposable {
  readonly fleet: Fleet
  readonly database: BenchDatabase
  readonly secrets: SecretStore
  /** The shared tables' rows are those of the run's database, so that pooled tenants have tables too. */
  readonly migrator: string
}

export const schemaDatabase = 'bench_schemas'

export async function openBenchFleet(): Promise<BenchFleet> {
  await using opened = new AsyncDisposableStack()
  const database = opened.use(await openDatabase({ rows: 10_000, gates: 200_000 }))
  await secureServer(database.superuser)
  const directory = await mkdtemp(join(tmpdir(), 'partywall-bench-migrations-'))
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  await cp(new URL('../examples/documents/migrations/', import.meta.url), directory, { recursive: true })
  const secrets = memorySecrets()
  const { superuserUrl, urls } = database.site
  await secrets.put('server/main/admin', superuserUrl)
  const migrator = new URL(urls.gatekeeper)
  migrator.username = 'partywall_migrator'
  const fleet = await openFleet({
    catalog: urls.gatekeeper,
    admin: migrator.href,
    secrets,
    migrations: pathToFileURL(`${directory}/`),
    applicationName: 'bench fleet',
  })
  opened.defer(() => fleet.close())
  await fleet.placements.schemaDatabases.create({ server: 'main', name: schemaDatabase })
  await fleet.placements.templates.ensure('main')
  const kept = opened.move()
  return { fleet, database, secrets, migrator: migrator.href, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
