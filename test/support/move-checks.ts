// A move that is thought of, for tests of what is looked at before it: something is broken, found, mended with the SQL that the finding
// gives, and found no more.

import assert from 'node:assert/strict'
import type { MoveSide } from '../../src/core/move.ts'
import type { MoveFinding } from '../../src/core/move-finding.ts'
import type { Placement } from '../../src/core/placement.ts'
import type { PlacedTenant } from '../../src/core/placement-adapter.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { preflight } from '../../src/postgres/moves/preflight.ts'
import type { MoveSituation } from '../../src/postgres/moves/survey.ts'
import type { PlacementMigrations } from '../../src/postgres/placements/placement-site.ts'
import type { Fleet } from './fleet.ts'
import { plainMigrations } from './plain-migrations.ts'
import { testServer } from './server.ts'

/** PostgreSQL 15 takes no part in moves. */
export const needsMoves = Number.parseInt((await testServer()).version, 10) < 16 ? 'needs PostgreSQL 16' : false

/** What is said of the tests' own servers, and of every fleet on PostgreSQL 16. */
export const aboutServers: readonly string[] = ['wal-limits', 'server-version']

/** Tables of which a tenant can be moved without a word. */
export const movableTables: readonly string[] = [
  `create type mood as enum ('glad', 'sad');
   create table countries (code text primary key, name text not null);
   insert into countries (code, name) values ('de', 'Germany'), ('fr', 'France');
   create table folders (
     tenant_id uuid not null,
     id uuid not null default partywall.uuidv7(),
     name text not null,
     mood mood,
     country text,
     length integer generated always as (pg_catalog.length(name)) stored,
     constraint folders_pkey primary key (tenant_id, id),
     constraint folders_country_fkey foreign key (country) references countries (code)
   );
   create table notes (
     tenant_id uuid not null,
     id uuid not null default partywall.uuidv7(),
     folder_id uuid,
     title text not null,
     constraint notes_pkey primary key (tenant_id, id),
     constraint notes_folder_fkey foreign key (tenant_id, folder_id) references folders (tenant_id, id)
   );
   create index notes_folder_idx on notes (tenant_id, folder_id);
   create table events (
     tenant_id uuid not null,
     id bigint not null,
     constraint events_pkey primary key (tenant_id, id)
   ) partition by range (id);
   create table events_low partition of events for values from (0) to (100);
   select partywall.declare_global('countries', 'Countries are the same for everybody.');
   select partywall.protect('folders');
   select partywall.protect('notes');
   select partywall.protect('events');`,
]

export const movableMigrations: PlacementMigrations = plainMigrations(movableTables)

/** The tenant's own schema in the fleet's other database, made and not yet the tenant's place. */
export async function schemaFor(made: Fleet, tenant: PlacedTenant): Promise<Placement> {
  const placement = await made.placements.for('schema').place(tenant)
  await made.placements.for('schema').provision({ ...tenant, placement })
  return placement
}

/** @param reader Connections to the catalog, which the caller closes. */
export function situationOf(
  made: Fleet,
  tenant: PlacedTenant,
  target: Placement,
  options: Partial<MoveSituation> & { readonly reader: ControlPool },
): MoveSituation {
  const { reader, ...rest } = options
  return {
    tenant,
    source: tenant.placement,
    target,
    options: {},
    connections: made.connections,
    catalog: reader,
    migrations: movableMigrations,
    ...rest,
  }
}

export function catalogReader(made: Fleet): ControlPool {
  return new ControlPool({ connectionString: made.catalog.urls.gatekeeper, applicationName: 'test-catalog' })
}

/** What one check finds. */
export async function found(situation: MoveSituation, rule: string): Promise<readonly MoveFinding[]> {
  return await preflight(situation, [rule])
}

/** Runs the SQL that findings give, where they say and as whom they say; a statement on each line, as a person would. */
export async function mend(situation: MoveSituation, findings: readonly MoveFinding[]): Promise<void> {
  const { connections } = situation
  for (const { at, fix, rule } of findings) {
    assert.ok(at !== null && fix !== null, `${rule} gives SQL that mends it`)
    const { database } = situation[at.side]
    for (const statement of fix.split('\n')) {
      if (at.as === 'owner') await connections.asMigrator(database, (control) => control.query(statement))
      else await connections.asAdministrator(at.server, (control) => control.query(statement), at.database ?? 'postgres')
    }
  }
}

export interface Wanted {
  readonly rule: string
  readonly side: MoveSide | null
  readonly object: RegExp
  /** Default `refuse`. */
  readonly level?: 'refuse' | 'warn' | undefined
}

/** Finds nothing, then the one thing that was broken, then nothing again when it is mended: by the finding's own SQL, or by hand. */
export async function seenIn(
  situation: MoveSituation,
  { rule, side, object, level = 'refuse' }: Wanted,
  breakIt: () => Promise<unknown>,
  mendIt?: () => Promise<unknown>,
): Promise<void> {
  assert.deepEqual(await found(situation, rule), [], 'before')
  await breakIt()
  const findings = await found(situation, rule)
  assert.equal(findings.length, 1, JSON.stringify(findings))
  const [finding] = findings as [MoveFinding]
  assert.match(finding.object, object)
  assert.equal(finding.at?.side ?? null, side)
  assert.equal(finding.level, level)
  if (mendIt === undefined) await mend(situation, findings)
  else {
    assert.equal(finding.fix, null, 'what has SQL that mends it is mended by that')
    await mendIt()
  }
  assert.deepEqual(await found(situation, rule), [], 'after')
}

/** As a migration would: the owner's statements, where unqualified names are the place's. */
export async function inPlace(situation: MoveSituation, side: MoveSide, text: string): Promise<void> {
  const { database, schema } = situation[side]
  await situation.connections.asMigrator(database, (control) =>
    control.transaction(async (connection) => {
      await connection.query(`set local search_path = ${schema}, pg_temp`)
      await connection.query(text)
    }),
  )
}

/** As the administrator of the server, in the place's database. */
export async function asAdministratorIn(situation: MoveSituation, side: MoveSide, text: string): Promise<void> {
  const { connections } = situation
  const { server, database } = situation[side]
  const [row] = await connections.asMigrator(database, (control) => control.query<{ name: string }>('select current_database() as name'))
  await connections.asAdministrator(server, (admin) => admin.query(text), row!.name)
}
