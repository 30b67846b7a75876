// Schemas as applications have them, whose authors never heard of partywall: what protect() takes is protected, the application is given
// everything as applications are, and the doctor says exactly what is true of it. docs/reference/doctor/public-schemas.md tells more.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { ControlPool } from '../../../src/postgres/control-pool.ts'
import { allChecks } from '../../../src/postgres/doctor/all-checks.ts'
import { roles } from '../../../src/postgres/roles.ts'
import { testDatabase } from '../../support/database.ts'
import { findAsDoctor } from '../../support/doctor-stage.ts'

/** A sentence that says why it is true, for each thing that is said. */
type Reasons = Readonly<Record<string, string>>

interface Schema {
  readonly tenantColumns: readonly string[]
  /** What happens while the application runs, after its tables were protected. */
  readonly lives?: string
  readonly protectedTables: number
  /** By the table and the rules of protect() that it breaks. */
  readonly refused: Reasons
  /** By the check and the object. Every table that was refused is found besides: it is reached, and unprotected. */
  readonly found: Reasons
  /** Tables that are reached, and are none of the tenants’ by a column. */
  readonly unprotected: Reasons
}

const schemas: Readonly<Record<string, Schema>> = {
  orchestration: {
    tenantColumns: ['tenantId', 'tenant_id'],
    lives: `select app.make_partition('task', '2026-01-01')`,
    protectedTables: 8,
    refused: {
      'app."Action": primary_key': 'Its primary key is the id alone: an insert tells whether another tenant has it.',
      'app."ApiToken": primary_key, tenant_null': 'A token may belong to no tenant.',
      'app."Lease": shared_sequence': 'Numbers come from one sequence: each tells how many others took.',
      'app."RateLimit": primary_key': 'It has a unique key and no primary key.',
      'app."TenantMember": foreign_key, primary_key': 'Its keys point at tables that have no tenant.',
    },
    found: {
      'definer-trigger worker_changed on app."Worker"': 'The trigger copies each worker to a table that every tenant reads.',
      'reachable-partition app.task_20260101':
        'The application’s own function made a partition after its parent was protected, and it was granted with the rest.',
      'sequence-privileges app."Lease_id_seq" for partywall_app': 'One sequence numbers the leases of all tenants.',
    },
    unprotected: {
      'app."Dispatcher"': 'The application’s own processes; nobody declared it global.',
      'app."SchedulerPartition"': 'The same.',
      'app."Tenant"': 'The list of tenants, with all their names.',
      'app."User"': 'Users of all tenants, with their passwords’ hashes.',
      'app."_ActionToWorker"': 'The join table of an ORM has two ids and no tenant.',
      'app.changes': 'Its column for the tenant has another name, and nothing holds it.',
    },
  },
  billing: {
    tenantColumns: ['namespace'],
    protectedTables: 13,
    refused: {
      'app.credit_grants: primary_key, shared_sequence': 'Its key is a number from one sequence.',
      'app.invoices: unique': 'The numbers of invoices are unique among all tenants: an insert tells which are taken.',
      'app.tax_codes: primary_key, tenant_type':
        'The tenant is a varchar in the database’s collation, in which two spellings may be equal.',
    },
    found: {
      'definer-search-path app.invoice_total(invoice text)':
        'It runs with its owner’s rights and looks names up in the caller’s search_path.',
      'definer-view app.charges_search': 'The view reads two protected tables with its owner’s rights.',
      'sequence-privileges app.credit_grants_id_seq for partywall_app': 'One sequence numbers the grants of all tenants.',
    },
    unprotected: {
      'app.currencies': 'The same for everybody, and not declared so.',
      'app.schema_migrations': 'The migration tool’s own table, which the application may write.',
    },
  },
  platform: {
    tenantColumns: ['organization_id'],
    protectedTables: 7,
    refused: {
      'app.bookings: exclusion': 'Two tenants cannot book a room of one number at a time, and so tell each other of it.',
      'app.labels: shared_sequence': 'Numbers come from one sequence.',
      'app.measurements: inheritance, rule': 'It has a child and a rule, as partitions were made before there were any.',
      'app.web_hooks: primary_key, tenant_null': 'A hook may belong to no organization.',
    },
    found: {
      'readable-materialized-view app.project_counts': 'It holds the numbers of every tenant, and can have no policy.',
      'sequence-privileges app.label_links_id_seq for partywall_app': 'One sequence numbers the links of all tenants.',
      'sequence-privileges app.labels_id_seq for partywall_app': 'And their labels,',
      'sequence-privileges app.organizations_id_seq for partywall_app': 'the organizations themselves,',
      'sequence-privileges app.users_id_seq for partywall_app': 'and the users.',
    },
    unprotected: {
      'app.ar_internal_metadata': 'The framework’s own table.',
      'app.features': 'Switches for all; nobody declared it global, and the application may write it.',
      'app.label_links': 'It refers to rows of tenants by their number alone.',
      'app.measurements_old': 'The child of a table that was refused.',
      'app.organizations': 'The list of tenants.',
      'app.schema_migrations': 'The framework’s own table.',
      'app.users': 'Users of all tenants, with their passwords’ hashes.',
    },
  },
}

describe('the doctor says exactly what is true of a schema for', () => {
  for (const [name, schema] of Object.entries(schemas)) {
    test(name, async (t) => {
      const { superuser } = await testDatabase(t)
      for (const extension of ['pg_trgm', 'citext', 'btree_gist']) await superuser.query(`create extension ${extension} schema public`)
      const text = await readFile(new URL(`../../fixtures/schemas/${name}.sql`, import.meta.url), 'utf8')
      await asOwner(superuser, text)
      const refused = await protectAll(superuser, schema.tenantColumns)
      assert.deepEqual(refused, Object.keys(schema.refused).sort())
      const [{ count } = { count: 0 }] = await superuser.query<{ count: number }>(
        'select count(*)::integer as count from partywall.protected_tables',
      )
      assert.equal(count, schema.protectedTables)
      if (schema.lives !== undefined) await asOwner(superuser, schema.lives)
      // As applications are given their tables: all at once.
      await superuser.query(`
        grant select, insert, update, delete on all tables in schema app to ${roles.app};
        grant usage on all sequences in schema app to ${roles.app};
        grant execute on all functions in schema app to ${roles.app}`)
      const reached = [...refused.map((said) => said.slice(0, said.indexOf(': '))), ...Object.keys(schema.unprotected)]
      assert.deepEqual(
        await allFound(superuser),
        [...Object.keys(schema.found), ...reached.map((table) => `unprotected-table ${table}`)].sort(),
      )
    })
  }
})

async function asOwner(superuser: ControlPool, text: string): Promise<void> {
  await superuser.transaction(async (connection) => {
    await connection.query(`set local role ${roles.owner}; set local search_path = app, public`)
    await connection.query(text)
  })
}

/** Protects every table that has the column; answers the others, with the rules that they break. */
async function protectAll(superuser: ControlPool, tenantColumns: readonly string[]): Promise<readonly string[]> {
  const tables = await superuser.query<{ name: string; tenantColumn: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name, a.attname as "tenantColumn"
       from pg_catalog.pg_class as c
       join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
       join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attname = any ($1)
      where n.nspname = 'app' and c.relkind in ('r', 'p') and not c.relispartition
        and not exists (select from pg_catalog.pg_inherits as i where i.inhrelid = c.oid)`,
    [tenantColumns],
  )
  const refused: string[] = []
  for (const { name, tenantColumn } of tables) {
    const [said] = await superuser.query<{ rules: string | null }>(
      `select string_agg(distinct f.rule, ', ' order by f.rule) as rules from partywall.table_findings($1::regclass, $2) as f`,
      [name, tenantColumn],
    )
    const protecting = superuser.transaction(async (connection) => {
      await connection.query(`set local role ${roles.owner}`)
      await connection.query('select partywall.protect($1::regclass, $2)', [name, tenantColumn])
    })
    if (said?.rules == null) await protecting
    else {
      await assert.rejects(protecting, { code: 'PW010' }, name)
      refused.push(`${name}: ${said.rules}`)
    }
  }
  return refused.sort()
}

async function allFound(superuser: ControlPool): Promise<readonly string[]> {
  const found: string[] = []
  for (const check of allChecks.filter(({ scope }) => scope === 'database')) {
    const said = await superuser.transaction(async (connection) => {
      await connection.query('set local search_path = pg_catalog, pg_temp')
      return await findAsDoctor(connection, check)
    })
    found.push(...said.map(({ object }) => `${check.stem} ${object}`))
  }
  return found.sort()
}
