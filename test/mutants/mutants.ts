// The walls, one by one, as they would be missing. Each mutant is an edit of the source (or more, where another wall stands before
// it), and the tests that must then turn red.

import type { Isolation } from '../../src/core/placement.ts'

/** `from` occurs exactly once in the file. */
export interface Edit {
  readonly file: string
  readonly from: string
  readonly to: string
}

export interface Mutant {
  readonly name: string
  readonly edits: readonly Edit[]
  /** In which placement its tests run. Default: pooled. */
  readonly placement?: Isolation
  /** Each of these must turn red. */
  readonly red: readonly string[]
  /** How long one of them may take. Default 120,000. */
  readonly timeoutMs?: number | undefined
}

const wall = 'src/postgres/sql/wall/0001-wall.sql'
const protect = 'src/postgres/sql/wall/0010-protect.sql'
const binding = 'src/postgres/binding.ts'
const isolation = (name: string): string => `test/isolation/${name}.test.ts`
const postgres = (name: string): string => `test/postgres/${name}.test.ts`

/** The gate at start would see most of what follows: it is opened, so that the wall behind it is what is tested. */
const gateOpen: Edit = {
  file: 'src/postgres/boot-gate.ts',
  from: 'if (findings.length === 0) return',
  to: 'if (findings.length >= 0) return',
}

const bound = `              and c.expires_at > statement_timestamp()
              and c.is_readable
`
const grants = 'grant select on partywall.bound, partywall.bound_for_writing to partywall_app, partywall_tenants;'
const twin = (command: string): string => `create policy partywall_wall_${command} on %s as restrictive`
const readPolicy =
  "execute format('create policy partywall_tenant on %s as permissive for all to public using (%s) with check (%s)', here, reads, reads);"
const evilPolicy = "execute format('create policy published on %s for select using (true)', here);"

export const mutants: readonly Mutant[] = [
  // What a capability is.
  {
    name: 'an expired capability is good',
    edits: [{ file: wall, from: bound, to: '              and c.is_readable\n' }],
    red: [isolation('capabilities')],
  },
  {
    name: 'a closed gate lets reads through',
    edits: [{ file: wall, from: bound, to: '              and c.expires_at > statement_timestamp()\n' }],
    red: [isolation('gates')],
  },
  {
    name: 'a closed gate lets writes through',
    edits: [{ file: wall, from: '              and c.is_writable\n', to: '' }],
    red: [isolation('gates')],
  },
  {
    name: 'nobody is told that no tenant is bound',
    edits: [{ file: wall, from: '         partywall.refuse()\n', to: '         null\n' }],
    red: [isolation('viewpoints'), isolation('capabilities')],
  },
  {
    name: 'a refused write is let through',
    edits: [
      {
        file: wall,
        from: "when 'read_only' then raise exception using errcode = 'PW006', message = 'the tenant is read-only';",
        to: "when 'read_only' then return tenant;",
      },
    ],
    red: [isolation('gates')],
  },
  {
    name: 'a write takes no lock while the tenant is moving',
    edits: [{ file: wall, from: 'where g.tenant_id = tenant for share;', to: 'where g.tenant_id = tenant;' }],
    red: [isolation('gates')],
  },
  {
    name: 'bind() takes a second tenant',
    edits: [{ file: wall, from: 'if before_tenant is not null and before_tenant is distinct from after_tenant then', to: 'if false then' }],
    red: [isolation('capabilities')],
  },
  {
    name: 'a gate leaves its capabilities as they are',
    edits: [{ file: wall, from: 'and c.state <> set_gate.state;', to: 'and false;' }],
    red: [isolation('gates')],
  },
  {
    name: 'issuing does not wait for a gate that closes',
    edits: [{ file: wall, from: 'where g.tenant_id = asked for share;', to: 'where g.tenant_id = asked;' }],
    red: [isolation('gates')],
  },
  {
    name: 'a suspended tenant gets a capability',
    edits: [{ file: wall, from: "if gate in ('suspended', 'moved') then", to: 'if false then' }],
    red: [isolation('gates'), isolation('capabilities')],
  },
  {
    name: 'capabilities without number',
    edits: [{ file: wall, from: 'if live >= 1024 then', to: 'if false then' }],
    red: [isolation('capabilities')],
  },
  {
    name: 'capabilities without end',
    edits: [{ file: wall, from: "if ttl < interval '1 second' or ttl > interval '1 hour' then", to: 'if false then' }],
    red: [isolation('capabilities')],
  },
  {
    name: 'suspension does not reach the gate',
    edits: [
      {
        file: 'src/postgres/sql/catalog/0002-catalog.sql',
        from: "when new.status = 'active' then 'open' else 'suspended' end",
        to: "else 'open' end",
      },
    ],
    red: [isolation('gates')],
  },

  // What the app's login may do.
  {
    name: 'the app reads the capabilities',
    edits: [gateOpen, { file: wall, from: grants, to: `${grants} grant select on partywall.capabilities to partywall_app;` }],
    red: [isolation('attacks')],
  },
  {
    name: 'the app issues capabilities',
    edits: [
      gateOpen,
      { file: wall, from: grants, to: `${grants} grant execute on function partywall.issue(uuid[], interval, text) to partywall_app;` },
    ],
    red: [isolation('attacks')],
  },
  {
    name: 'the app runs SQL text, ends sessions, reads others’ statements',
    edits: [gateOpen, { file: 'src/postgres/install.ts', from: 'if (options.harden ?? true) await denyDangerousFunctions(admin)', to: '' }],
    red: [isolation('attacks'), isolation('oracles')],
  },
  {
    name: 'the app makes temporary tables',
    edits: [
      gateOpen,
      { file: 'src/postgres/install.ts', from: 'if (harden) await run(`revoke all', to: 'if (name === undefined) await run(`revoke all' },
    ],
    red: [isolation('attacks')],
  },
  { name: 'the gate at start is open', edits: [gateOpen], red: [postgres('boot-gate'), isolation('side-doors')] },
  {
    name: 'the app’s login is believed to be what it should be',
    edits: [
      {
        file: 'src/postgres/canary.ts',
        from: 'if (ours?.wall !== theirs.wall || ours.database !== theirs.database) {',
        to: 'if (ours === undefined) {',
      },
    ],
    red: [postgres('boot-gate')],
  },

  // What a protected table has.
  {
    name: 'row-level security is not enabled',
    edits: [
      gateOpen,
      {
        file: protect,
        from: "'alter table %s enable row level security, force row level security', here)",
        to: "'alter table %s force row level security', here)",
      },
    ],
    red: [isolation('attacks'), isolation('interleavings')],
  },
  {
    name: 'row-level security is not forced',
    edits: [
      gateOpen,
      {
        file: protect,
        from: "'alter table %s enable row level security, force row level security', here)",
        to: "'alter table %s enable row level security', here)",
      },
    ],
    red: [isolation('viewpoints')],
  },
  {
    name: 'an evil permissive policy, and no restrictive twin for reading',
    edits: [
      gateOpen,
      { file: protect, from: readPolicy, to: `${readPolicy} ${evilPolicy}` },
      {
        file: protect,
        from: `${twin('select')} for select to public using (%s)', here, reads);`,
        to: `${twin('select')} for select to public using (true)', here);`,
      },
    ],
    red: [isolation('attacks'), isolation('viewpoints')],
  },
  {
    name: 'inserts are not walled',
    edits: [
      gateOpen,
      { file: protect, from: readPolicy, to: readPolicy.replace('with check (%s)', 'with check (true)').replace('reads, reads', 'reads') },
      {
        file: protect,
        from: `${twin('insert')} for insert to public with check (%s)', here, writes);`,
        to: `${twin('insert')} for insert to public with check (true)', here);`,
      },
    ],
    red: [isolation('attacks'), isolation('viewpoints')],
  },
  {
    name: 'inserts are not fenced',
    edits: [
      gateOpen,
      {
        file: protect,
        from: `for insert to public with check (%s)', here, writes);`,
        to: `for insert to public with check (%s)', here, reads);`,
      },
    ],
    red: [isolation('gates')],
  },
  {
    name: 'updates are not fenced',
    edits: [
      gateOpen,
      {
        file: protect,
        from: `using (%s) with check (%s)', here, writes, writes);`,
        to: `using (%s) with check (%s)', here, reads, reads);`,
      },
    ],
    red: [isolation('gates')],
  },
  {
    name: 'deletes are not fenced',
    edits: [
      gateOpen,
      { file: protect, from: `for delete to public using (%s)', here, writes);`, to: `for delete to public using (%s)', here, reads);` },
    ],
    red: [isolation('gates')],
  },
  {
    name: 'keys are not looked at',
    edits: [{ file: protect, from: 'if findings is not null then', to: 'if false then' }],
    red: [postgres('protect')],
  },
  {
    name: 'partitions may be named',
    edits: [
      {
        file: protect,
        from: "execute format('revoke all on %s from public, partywall_app, partywall_tenants', partywall.table_name(child));",
        to: '',
      },
    ],
    red: [isolation('side-doors')],
  },

  // What the lease does.
  {
    name: 'the lease does not bind',
    edits: [
      {
        file: binding,
        from: 'capability.bindMessage ??= bindAndExecute(name, values)',
        to: "capability.bindMessage ??= bindAndExecute(name, [''])",
      },
    ],
    red: [isolation('viewpoints')],
  },
  {
    name: 'the bind outlives the transaction',
    edits: [
      {
        file: binding,
        from: "current_setting('partywall.capability', true), set_config('partywall.capability', $1, true)",
        to: "current_setting('partywall.capability', true), set_config('partywall.capability', $1, false)",
      },
    ],
    red: [isolation('residue')],
  },
  {
    name: 'what was bound before goes unnoticed',
    edits: [{ file: 'src/postgres/connection.ts', from: 'if (!isEmpty) this.#taint(', to: 'if (isEmpty === undefined) this.#taint(' }],
    red: [isolation('residue')],
  },
  {
    name: 'a session whose settings changed is kept',
    edits: [{ file: 'src/postgres/connection.ts', from: 'this.#taint(`the session', to: 'void (`the session' }],
    red: [isolation('residue')],
  },
  {
    name: 'a replica of the place that a tenant has left is read',
    edits: [
      {
        file: 'src/postgres/replicas.ts',
        from: 'if (this.#isClosed || now.placement.database !== database) return primary',
        to: 'if (this.#isClosed) return primary',
      },
    ],
    red: [postgres('replicas-moving')],
  },
  {
    name: 'the first statement of a transaction that succeeded is forgotten for another',
    edits: [{ file: 'src/postgres/transaction.ts', from: 'const isFirst = sent.hasBegun || !this.#isBegun', to: 'const isFirst = true' }],
    red: [postgres('lease-moving')],
  },
  {
    name: 'a tenant gets the capability that is at hand',
    edits: [
      {
        file: 'src/postgres/capabilities.ts',
        from: 'const held = this.#held.get(tenantId)',
        to: 'const held = [...this.#held.values()][0]',
      },
    ],
    red: [isolation('interleavings'), isolation('viewpoints')],
  },
  {
    name: 'an aborted call’s connection is used again',
    edits: [
      {
        file: 'src/postgres/connection.ts',
        from: '    this.#break(reason)\n    // The server closes its end when its process is gone: until then the connection counts. A server that is silent is cut.\n    this.#client.connection.stream.end()',
        to: '    void reason',
      },
    ],
    red: [postgres('lease')],
  },
  {
    name: 'a stream may write',
    edits: [{ file: 'src/postgres/tenant-handle.ts', from: '{ ...rest, readOnly: true }', to: 'rest' }],
    red: [postgres('transaction')],
  },
  {
    name: 'statements are not read before they are sent',
    edits: [
      {
        file: 'src/postgres/statement.ts',
        from: "if (typeof found === 'string') throw new StatementRefusedError(found)",
        to: "if (typeof found === 'string') return { kind: 'query', isReadOnly: false }",
      },
    ],
    red: [postgres('statement'), isolation('residue')],
  },
  {
    name: 'functions in statements are not looked at',
    edits: [
      {
        file: 'src/postgres/statement.ts',
        from: 'if (refusedFunctions.has(word))',
        to: 'if (refusedFunctions.has(first) && word === first)',
      },
    ],
    red: [postgres('statement')],
  },

  // Who is asking.
  {
    name: 'the explicit tenant is not checked against the ambient one',
    edits: [
      { file: 'src/core/tenant-context.ts', from: 'ambient.tenant.id !== explicit.tenant.id', to: 'ambient.tenant.id === undefined' },
    ],
    red: ['test/core/tenant-context.test.ts'],
  },
  {
    name: 'another tenant may be entered inside a tenant’s scope',
    edits: [
      {
        file: 'src/core/tenant-context.ts',
        from: 'outer.context.tenant.id !== context.tenant.id',
        to: 'outer.context.tenant.id === undefined',
      },
    ],
    red: ['test/core/tenant-context.test.ts'],
  },
  {
    name: 'membership is not asked',
    edits: [{ file: 'src/core/resolver.ts', from: 'tenant !== undefined && isMember(identity, tenant)', to: 'tenant !== undefined' }],
    red: ['test/core/resolver.test.ts'],
  },
  {
    name: 'hints need not agree',
    edits: [
      { file: 'src/core/resolver.ts', from: 'if (found.some((other) => other?.id !== tenant.id)) {', to: 'if (found.length === 0) {' },
    ],
    red: ['test/core/resolver.test.ts'],
  },
  {
    name: 'a suspended tenant is served by the directory',
    edits: [
      {
        file: 'src/core/tenant-directory.ts',
        from: "    case 'suspended':\n      throw new",
        to: "    case 'suspended':\n      return\n      throw new",
      },
    ],
    red: ['test/core/tenant-directory.test.ts'],
  },
  {
    name: 'an API key’s secret is not compared',
    edits: [
      {
        file: 'src/identity/api-key.ts',
        from: "const sameSecret = timingSafeEqual(createHash('sha256').update(secret).digest(), key?.secretHash ?? dummyHash)",
        to: 'const sameSecret = true',
      },
    ],
    red: ['test/identity/api-key.test.ts'],
  },
  {
    name: 'the cache’s key has no tenant',
    edits: [
      {
        file: 'src/resources/cache/tenant-cache.ts',
        from: 'scopedKey({ tenantId: id, epoch, generation: await this.#store.generation(id), namespace, key })',
        to: "scopedKey({ tenantId: '00000000-0000-7000-8000-000000000000' as typeof id, epoch, generation: 0, namespace, key })",
      },
    ],
    red: ['test/resources/memory-cache.test.ts'],
  },
]
