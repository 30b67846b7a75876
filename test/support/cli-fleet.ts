// A project with a configuration, a fleet of its own behind it, and the command line called in it.

import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Terminal } from '../../src/cli/verb.ts'
import { TenantNotFoundError } from '../../src/errors.ts'
import { type Fleet, openFleet } from '../../src/fleet.ts'
import { directoryStore } from '../../src/objects/directory-store.ts'
import { fileSecrets } from '../../src/secrets/file.ts'
import { type TestDatabase, testDatabase } from './database.ts'
import { runOn } from './terminal.ts'

const config = `import { defineConfig } from 'partywall'
import { fileSecrets } from 'partywall/secrets'
export ${'default'} defineConfig({
  secrets: fileSecrets({ directory: new URL('secrets', import.meta.url).pathname }),
  plans: {
    team: { placement: 'schema', features: { seats: 5, sso: false } },
    business: { placement: 'database' },
  },
  seeds: [{ name: 'welcome', sql: ["insert into notes (body) values ('Welcome') on conflict do nothing"] }],
  stock: [{ isolation: 'schema', region: 'default', count: 2 }],
})
`

const notes = `create table notes (
  tenant_id uuid not null default partywall.tenant_id(),
  id uuid not null default gen_random_uuid(),
  body text not null,
  primary key (tenant_id, id)
);
select partywall.protect('notes');
`

export interface CliFleet {
  readonly catalog: TestDatabase
  readonly directory: string
  readonly env: Readonly<Record<string, string>>
  /** The same fleet, as a program has it. */
  readonly fleet: Fleet
  run(...argv: readonly string[]): ReturnType<typeof runOn>
  /** On a terminal that is another than usual. */
  runOver(over: Partial<Terminal>, ...argv: readonly string[]): ReturnType<typeof runOn>
  /** The last line of a command that went well, which is its answer. */
  json<T = Record<string, unknown>>(...argv: readonly string[]): Promise<T>
  /** Every line. */
  rows<T = Record<string, unknown>>(...argv: readonly string[]): Promise<readonly T[]>
  /** Off-boards everybody and drops what was made. Call it in `after`. */
  strike(): Promise<void>
}

/** Call it in `before`. */
export async function cliFleet(): Promise<CliFleet> {
  const catalog = await testDatabase()
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'partywall-cli-fleet-')))
  await writeFile(join(directory, 'package.json'), '{ "type": "module" }')
  await writeFile(join(directory, 'partywall.config.ts'), config)
  await mkdir(join(directory, 'migrations'))
  await writeFile(join(directory, 'migrations', '0001-notes.sql'), notes)
  const env = {
    PARTYWALL_CATALOG_URL: catalog.urls.gatekeeper,
    PARTYWALL_ADMIN_URL: catalog.urls.migrator,
    PARTYWALL_DATABASE_URL: catalog.urls.app,
    PARTYWALL_BACKUPS_DIR: 'backups',
  }
  const fleet = await openFleet({
    catalog: catalog.urls.gatekeeper,
    admin: catalog.urls.migrator,
    secrets: fileSecrets({ directory: join(directory, 'secrets') }),
    backups: { store: directoryStore(join(directory, 'backups')) },
    migrations: new URL(`file://${directory}/migrations/`),
  })
  await fleet.migrateMain()
  const runOver: CliFleet['runOver'] = (over, ...argv) => runOn({ env, cwd: directory, ...over }, argv)
  const rows: CliFleet['rows'] = async (...argv) => {
    const { code, out, err } = await runOver({}, ...argv, '--json')
    if (code !== 0) throw new TypeError(`partywall ${argv.join(' ')} ended with ${code}: ${[err, ...out.slice(-5)].join('\n')}`)
    return out.map((line) => JSON.parse(line))
  }
  return {
    catalog,
    directory,
    env,
    fleet,
    run: (...argv) => runOver({}, ...argv),
    runOver,
    rows,
    json: async <T>(...argv: readonly string[]) => (await rows<T>(...argv)).at(-1) as T,
    async strike() {
      await strike(fleet, catalog)
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function strike(fleet: Fleet, catalog: TestDatabase): Promise<void> {
  for (const { id } of await fleet.tenants.list({ state: 'waiting' })) await fleet.tenants.cancel(id, { reason: 'The test is over.' })
  // Whoever is below another came after it.
  for (const { id } of [...(await fleet.catalog.list()).tenants].reverse()) {
    await fleet.tenants.offboard(id, { reason: 'The test is over.', now: true }).catch((error: unknown) => {
      if (!(error instanceof TenantNotFoundError)) throw error
    })
  }
  const left = await catalog.superuser.query<{ name: string }>(
    `select d.database_name as name from partywall.databases as d where d.server_name = 'main' and d.holds <> 'pooled'`,
  )
  for (const { name } of left) {
    await fleet.connections.letGo(name)
    await catalog.superuser.query(`drop database if exists "${name}" with (force)`)
    if (name.startsWith('pw_')) await catalog.superuser.query(`drop role if exists "${name}"`)
  }
  await fleet.placements.templates.dropAll('main').catch(() => {})
  await fleet.close()
}
