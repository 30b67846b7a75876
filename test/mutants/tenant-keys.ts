// The walls around tables that know their tenants by a bigint or a text, as they would be missing.

import type { Edit, Mutant } from './mutants.ts'

const wall = 'src/postgres/sql/wall/0001-wall.sql'
const keys = 'src/postgres/sql/wall/0004-tenant-keys.sql'
const protect = 'src/postgres/sql/wall/0010-protect.sql'
const red = ['test/isolation/keys.test.ts']

const gateOpen: Edit = {
  file: 'src/postgres/boot-gate.ts',
  from: 'if (findings.length === 0) return',
  to: 'if (findings.length >= 0) return',
}

export const tenantKeyMutants: readonly Mutant[] = [
  {
    name: 'a table with tenant keys is not walled for reading',
    edits: [
      gateOpen,
      {
        file: protect,
        from: "reads text := format('%I = (select b.tenant_id from partywall.bound%s as b)'",
        to: "reads text := format('%I is not null or exists (select from partywall.bound%s)'",
      },
    ],
    red: ['test/isolation/keys.test.ts', 'test/isolation/existing-application.test.ts'],
  },
  {
    name: 'a table with tenant keys is not walled for writing',
    edits: [
      gateOpen,
      {
        file: protect,
        from: "as permissive for all to public using (%s) with check (%s)', here, reads, reads);",
        to: "as permissive for all to public using (%s) with check (true)', here, reads);",
      },
      {
        file: protect,
        from: "writes text := format('%I = (select b.tenant_id from partywall.bound%s_for_writing as b)'",
        to: "writes text := format('%I is not null or exists (select from partywall.bound%s_for_writing)'",
      },
    ],
    red: ['test/isolation/keys.test.ts', 'test/isolation/existing-application.test.ts'],
  },
  {
    name: 'a table with tenant keys is not fenced',
    edits: [gateOpen, { file: protect, from: 'partywall.bound%s_for_writing as b', to: 'partywall.bound%s as b' }],
    red,
  },
  {
    name: 'a tenant without a bigint key reads the rows of another',
    edits: [
      {
        file: keys,
        from: "         partywall.refuse_key('bigint')::bigint",
        to: '         (select min(g.key_bigint) from partywall.gates as g)',
      },
    ],
    red,
  },
  {
    name: 'a tenant without a text key is compared with null',
    edits: [{ file: keys, from: "         partywall.refuse_key('text')", to: '         null' }],
    red,
  },
  {
    name: 'a tenant without a key writes',
    edits: [{ file: keys, from: '  if key is null then', to: '  if false then' }],
    red,
  },
  {
    name: 'a capability with tenant keys outlives a suspension',
    edits: [
      {
        file: keys,
        from: `           select c.key_bigint
             from partywall.capabilities as c
            where c.capability = nullif(current_setting('partywall.capability', true), '')::uuid
              and c.expires_at > statement_timestamp()
              and c.is_readable
`,
        to: `           select c.key_bigint
             from partywall.capabilities as c
            where c.capability = nullif(current_setting('partywall.capability', true), '')::uuid
`,
      },
    ],
    red,
  },
  {
    name: 'a tenant’s keys may be changed',
    edits: [
      { file: wall, from: '  if (before.key_bigint is not null and', to: '  if false and (before.key_bigint is not null and' },
      { file: wall, from: '    or (before.key_text is not null', to: '    and (before.key_text is not null' },
    ],
    red: [...red, 'test/postgres/catalog.test.ts'],
  },
  {
    name: 'keys do not reach the capabilities that are out',
    edits: [
      {
        file: wall,
        from: '   where c.tenant_id = set_gate_keys.tenant_id;\n',
        to: '   where c.tenant_id = set_gate_keys.tenant_id and false;\n',
      },
    ],
    red,
  },
  {
    name: 'a key column may be of any text',
    edits: [
      { file: protect, from: `a.atttypid = 'text'::regtype and a.attcollation = '"C"'::regcollation`, to: `a.atttypid = 'text'::regtype` },
    ],
    red: ['test/postgres/protect.test.ts'],
  },
  {
    name: 'foreign keys may cross types of tenant keys',
    edits: [
      { file: protect, from: 'and (a.atttypid, a.attcollation) is distinct from (att.atttypid, att.attcollation);', to: 'and false;' },
    ],
    red: ['test/postgres/protect.test.ts'],
  },
  {
    name: 'the explicit tenant is the uuid, whatever the type of the key column',
    edits: [{ file: 'src/core/tenant-key.ts', from: "type === 'uuid' ? tenant.id", to: 'type !== undefined ? tenant.id' }],
    red: [...red, 'test/postgres/kysely-predicate.test.ts'],
  },
  {
    name: 'two tenants may have one key',
    edits: [
      { file: wall, from: '  constraint gates_key_bigint_key unique (key_bigint),\n', to: '' },
      { file: 'src/postgres/sql/catalog/0002-catalog.sql', from: '  constraint tenants_key_bigint_key unique (key_bigint),\n', to: '' },
    ],
    red: [...red, 'test/postgres/catalog.test.ts'],
  },
  {
    name: 'keys may have more than one spelling',
    edits: [{ file: 'src/core/tenant-key.ts', from: '/^(?:0|-?[1-9][0-9]{0,18})$/', to: '/^[-+]?[0-9]{1,20}$/' }],
    red: ['test/core/memory-catalog.test.ts', 'test/postgres/catalog.test.ts'],
  },
]
