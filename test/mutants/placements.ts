// The walls of placements, one by one, as they would be missing. Each is tried in the placement that it stands in.

import type { Edit, Mutant } from './mutants.ts'

const protect = 'src/postgres/sql/wall/0010-protect.sql'
const binding = 'src/postgres/binding.ts'
const lease = 'src/postgres/lease.ts'
const isolation = (name: string): string => `test/isolation/${name}.test.ts`

/** The gate at start would see it in the catalog's own database: it is opened, so that the wall behind it is what is tested. */
const gateOpen: Edit = {
  file: 'src/postgres/boot-gate.ts',
  from: 'if (findings.length === 0) return',
  to: 'if (findings.length >= 0) return',
}

const noRowSecurity: readonly Edit[] = [
  gateOpen,
  {
    file: protect,
    from: "'alter table %s enable row level security, force row level security', here)",
    to: "'alter table %s force row level security', here)",
  },
]

export const placementMutants: readonly Mutant[] = [
  {
    name: 'schema: its tables take anybody’s rows',
    placement: 'schema',
    edits: [
      {
        file: protect,
        from: "add constraint partywall_tenant_check check (%s = %L::%s)', here, column_is, dweller.key, key_type);",
        to: "add constraint partywall_tenant_check check (true or %s = %L::%s)', here, column_is, dweller.key, key_type);",
      },
    ],
    red: [isolation('attacks')],
  },
  {
    name: 'schema: row-level security is not enabled',
    placement: 'schema',
    edits: noRowSecurity,
    red: [isolation('attacks')],
  },
  {
    name: 'schema: what is not in the schema is looked for in public',
    placement: 'schema',
    edits: [{ file: binding, from: 'schema}, pg_temp`', to: 'schema}, public`' }],
    red: [isolation('viewpoints')],
  },
  {
    name: 'database: row-level security is not enabled',
    placement: 'database',
    edits: noRowSecurity,
    red: [isolation('attacks')],
  },
  {
    name: 'database: a tenant is served in the database that is at hand',
    placement: 'database',
    edits: [
      {
        file: 'src/postgres/open-databases.ts',
        from: 'return database === this.main.name ? this.main : this.#open.get(database)',
        to: 'return database === this.main.name ? this.main : [...this.#open.values()][0]',
      },
    ],
    red: [isolation('viewpoints')],
  },
  {
    name: 'database: a capability of whoever the login is will do',
    placement: 'database',
    edits: [
      {
        file: 'src/postgres/capabilities.ts',
        from: 'const row = answer?.tenant_id === tenantId ? answer : undefined',
        to: 'const row = answer',
      },
    ],
    red: ['test/postgres/capabilities.test.ts'],
  },
  {
    name: 'database: a session that lost its capability is left without',
    placement: 'database',
    edits: [
      {
        file: lease,
        from: 'if (!(explained instanceof NoTenantError) || !isBoundForSession(database, connection)) return explained',
        to: 'if (database.name !== undefined) return explained',
      },
    ],
    red: [isolation('residue')],
  },
  {
    name: 'server: row-level security is not enabled',
    placement: 'server',
    edits: noRowSecurity,
    red: [isolation('attacks')],
  },
]
