// What is taken down to see that an attack can succeed. Each is one thing that somebody might really do.

import { logins } from '../../postgres/installation.ts'
import { quoted } from '../../postgres/table-shape.ts'
import type { Mutation } from './attack.ts'
import { literal } from './target.ts'

const app = quoted(logins.app)

/** Row-level security is switched off, as for a table that was forgotten or is being repaired. */
export const noRowSecurity: Mutation = {
  what: 'row-level security of the table is switched off',
  after: ({ sql }) => [`alter table ${sql} disable row level security`],
}

/** Row-level security is off, and foreign keys hold nobody back. */
export const noReferences: Mutation = {
  what: 'row-level security of the table is switched off, and all foreign keys are dropped',
  after: ({ sql }, { targets }) => [
    `alter table ${sql} disable row level security`,
    ...targets.flatMap(({ table }) =>
      table.references.map(({ name }) => `alter table ${table.sql} drop constraint if exists ${quoted(name)}`),
    ),
  ],
}

/** Statistics of a table without row-level security are everybody's. */
export const openStatistics: Mutation = {
  what: 'row-level security is switched off, and the table is analyzed',
  after: ({ sql }) => [`alter table ${sql} disable row level security`, `analyze ${sql}`],
}

/** A permissive policy is added, and its restrictive twin is gone. */
export const openPolicy: Mutation = {
  what: 'a permissive policy shows all rows, and the restrictive twin of reading is dropped',
  after: ({ sql }) => [`drop policy partywall_wall_select on ${sql}`, `create policy kit_open on ${sql} for select using (true)`],
}

/** Row-level security is off, and the app's login may make temporary tables. */
export const openTemporary: Mutation = {
  what: 'the app’s login may make temporary tables, and row-level security is switched off',
  before: () => [`do $$ begin execute format('grant temporary on database %I to ${app}', current_database()); end $$`],
  after: ({ sql }) => [`alter table ${sql} disable row level security`],
}

/** A tenant's column may be null. */
export const tenantless: Mutation = {
  what: 'rows may have no tenant, and row-level security is switched off',
  after: ({ sql, tenant, table }) =>
    table.keys.some(({ isPrimary, columns }) => isPrimary && columns.includes(table.tenantColumn ?? ''))
      ? [
          `alter table ${sql} drop constraint ${quoted(table.keys.find(({ isPrimary }) => isPrimary)?.name ?? '')} cascade`,
          `alter table ${sql} alter column ${tenant} drop not null, disable row level security`,
        ]
      : [`alter table ${sql} alter column ${tenant} drop not null, disable row level security`],
}

/** A privilege that policies do not concern. */
export function grantedOnTable(privilege: 'truncate' | 'references' | 'trigger'): Mutation {
  return { what: `the app’s login is granted ${privilege.toUpperCase()}`, after: ({ sql }) => [`grant ${privilege} on ${sql} to ${app}`] }
}

/** The app's login owns the table. */
export const ownedByApp: Mutation = {
  what: 'the app’s login owns the table, and may create in its schema',
  after: ({ sql, table }) => [`alter table ${sql} owner to ${app}`, `grant create on schema ${quoted(table.schema)} to ${app}`],
}

/** Policies believe a function that takes what it does not know for the victim. */
export const failsOpen: Mutation = {
  what: 'policies take a capability that they do not know for the victim’s, in every row anew',
  after: ({ sql, tenant, victimKey }) => [
    `create or replace function public.kit_believes() returns text language sql volatile security definer as $fn$
       select coalesce((select c.tenant_id::text from partywall.capabilities as c
                         where c.capability::text = lower(current_setting('partywall.capability', true))), ${literal(victimKey)}) $fn$`,
    'grant usage on schema public to public',
    'grant execute on function public.kit_believes() to public',
    ...['tenant', 'wall_select', 'wall_insert', 'wall_update', 'wall_delete'].map((name) => `drop policy partywall_${name} on ${sql}`),
    `create policy kit_believing on ${sql} using (${tenant}::text = public.kit_believes())`,
    // What binds asks for the tenant at once, and would say no before the policies could say yes.
    `create or replace function partywall.bind(capability text) returns uuid language sql volatile as $fn$
       select null::uuid from (select pg_catalog.set_config('partywall.capability', bind.capability, true)) as x $fn$`,
  ],
}

/** The policy of an application that reads a setting. */
export function believesSetting(name: string): Mutation {
  return {
    what: `a policy believes the setting ${name}`,
    after: ({ sql, tenant }) => [
      `drop policy partywall_wall_select on ${sql}`,
      `create policy kit_setting on ${sql} for select using (${tenant}::text = current_setting(${literal(name)}, true))`,
    ],
  }
}

/** The policy of an application that has a switch for its staff. */
export function believesFlag(name: string): Mutation {
  return {
    what: `a policy lets everything through when the setting ${name} is on`,
    after: ({ sql }) => [
      `drop policy partywall_wall_select on ${sql}`,
      `create policy kit_flag on ${sql} for select using (current_setting(${literal(name)}, true) in ('on', 'true', '1', 'admin'))`,
    ],
  }
}

/** A capability that should be good for nothing is good. */
export function revived(which: 'expired' | 'suspended' | 'moved'): Mutation {
  return {
    what: `a capability that is ${which} is let live`,
    after: (_, { dead }) => [
      `update partywall.capabilities set expires_at = 'infinity', state = 'open' where capability = ${literal(dead[which])}`,
    ],
  }
}

/** Every unique key of the table once more without its tenant. */
export const uniqueWithoutTenant: Mutation = {
  what: 'a unique index leaves the tenant out',
  after: ({ sql, table }) => {
    const keys = table.keys.map(({ columns }) => columns.filter((name) => name !== table.tenantColumn)).filter(({ length }) => length > 0)
    return keys.length === 0 ? undefined : keys.map((columns) => `create unique index on ${sql} (${columns.map(quoted).join(', ')})`)
  },
}

export const exclusionWithoutTenant: Mutation = {
  what: 'an exclusion constraint leaves the tenant out',
  after: ({ sql, telling }) => telling && [`alter table ${sql} add exclude using btree (${quoted(telling.name)} with =)`],
}

/** An index that does not begin with the tenant, on what an attacker asks for. */
export const indexWithoutTenant: Mutation = {
  what: 'an index on a telling column leaves the tenant out, and is the only one that helps',
  after: ({ sql, telling, table }) =>
    telling && [
      ...table.keys.filter(({ isPrimary }) => isPrimary).map(({ name }) => `alter table ${sql} drop constraint ${quoted(name)} cascade`),
      `create index on ${sql} (${quoted(telling.name)})`,
      `analyze ${sql}`,
    ],
}

/** A foreign key that leaves the tenant out. */
export const referenceWithoutTenant: Mutation = {
  what: 'a foreign key leaves the tenant out',
  after: ({ sql, table }, stage) => {
    const reference = table.references.find(
      ({ columns, to }) => columns.length === 2 && stage.targets.some((each) => each.table.oid === to),
    )
    const parent = stage.targets.find((each) => each.table.oid === reference?.to)
    const at = reference?.columns.findIndex((name) => name !== table.tenantColumn) ?? -1
    if (reference === undefined || parent === undefined || at < 0) return undefined
    const [from, to] = [quoted(reference.columns[at] ?? ''), quoted(reference.toColumns[at] ?? '')]
    return [
      `alter table ${sql} drop constraint ${quoted(reference.name)}`,
      `create unique index on ${parent.sql} (${to})`,
      `alter table ${sql} add constraint kit_reference foreign key (${from}) references ${parent.sql} (${to})`,
    ]
  },
}

/** The app's login is a superuser, as in many a quick start. Reaches beyond the database. */
export const superuserApp: Mutation = {
  what: 'the app’s login is a superuser',
  after: () => [`alter role ${app} superuser`],
  undo: [`alter role ${app} nosuperuser`],
}

/** The app's login may become another role. Reaches beyond the database. */
export function memberOf(role: string): Mutation {
  return {
    what: `the app’s login is a member of ${role}`,
    after: ({ sql }) => [`grant ${quoted(role)} to ${app}`, `alter table ${sql} no force row level security`],
    undo: [`revoke ${quoted(role)} from ${app}`],
  }
}

/** Whoever has no business in the control plane may read a table of it. */
export function grantedInControlPlane(table: string): Mutation {
  return { what: `the app’s login may read partywall.${table}`, after: () => [`grant select on partywall.${quoted(table)} to ${app}`] }
}

const columnsOf = `tenant_id uuid not null, id uuid not null default partywall.uuidv7(), note text not null default '', primary key (tenant_id, id)`

/** A table that no migration has put behind the wall. */
export const forgottenTable: Mutation = {
  what: 'a table is in neither list, and the app’s login may do everything with it',
  before: () => [
    `create table app.kit_forgotten (${columnsOf})`,
    'alter table app.kit_forgotten owner to partywall_owner',
    `grant select, insert, update, delete on app.kit_forgotten to ${app}`,
  ],
}

/** A global table that can be written. */
export const writableGlobal: Mutation = {
  what: 'the app’s login may write to a table that is declared global',
  before: () => [
    `create table app.kit_countries (code text primary key, name text not null)`,
    `insert into app.kit_countries (code, name) values ('de', 'Germany')`,
    `select partywall.declare_global('app.kit_countries', 'The isolation kit shows what a writable one would do.')`,
    `grant insert, update, delete, truncate on app.kit_countries to ${app}`,
  ],
}

/** A partition that can be named. */
export const openPartition: Mutation = {
  what: 'the app’s login may name a partition, which the policies of its table do not concern',
  before: () => [
    `create table app.kit_parts (${columnsOf}) partition by hash (tenant_id)`,
    'create table app.kit_parts_0 partition of app.kit_parts for values with (modulus 1, remainder 0)',
    'alter table app.kit_parts owner to partywall_owner',
    'alter table app.kit_parts_0 owner to partywall_owner',
    `select partywall.protect('app.kit_parts')`,
    'alter table app.kit_parts_0 disable row level security',
    `grant select, insert, update, delete on app.kit_parts_0 to ${app}`,
  ],
}

/** A view with its owner's rights. */
export const definerView: Mutation = {
  what: 'a view shows a table with the rights of its owner',
  before: (tables) =>
    tables
      .filter(({ status }) => status === 'protected')
      .flatMap(({ sql, name }) => [
        `create view app.${quoted(`kit_view_${name}`)} as select * from ${sql}`,
        `grant select, insert, update, delete on app.${quoted(`kit_view_${name}`)} to ${app}`,
      ]),
}

/** A materialized view: no policy can be put on it. */
export const materializedView: Mutation = {
  what: 'a materialized view is in reach',
  before: (tables) =>
    tables
      .filter(({ status }) => status === 'protected')
      .flatMap(({ sql, name }) => [
        `create materialized view app.${quoted(`kit_copy_${name}`)} as select * from ${sql}`,
        `grant select on app.${quoted(`kit_copy_${name}`)} to ${app}`,
      ]),
  after: ({ table }) => [`refresh materialized view app.${quoted(`kit_copy_${table.name}`)}`],
}

/** A function with its owner's rights. */
export const definerFunction: Mutation = {
  what: 'a function shows a table with the rights of its owner',
  before: (tables) =>
    tables
      .filter(({ status }) => status === 'protected')
      .flatMap(({ sql, name }) => [
        `create function app.${quoted(`kit_all_${name}`)}() returns setof ${sql} language sql stable security definer as $fn$ select * from ${sql} $fn$`,
        `grant execute on function app.${quoted(`kit_all_${name}`)}() to ${app}`,
      ]),
}

/** A sequence that all tenants share. */
export const sharedSequence: Mutation = {
  what: 'a sequence that all tenants share is in reach',
  before: () => ['create sequence app.kit_numbers', `grant usage, select, update on sequence app.kit_numbers to ${app}`],
}

/** Its statistics too. */
export const analyzedView: Mutation = {
  ...materializedView,
  what: 'a materialized view is in reach, and analyzed',
  after: ({ table }) => {
    const name = `app.${quoted(`kit_copy_${table.name}`)}`
    return [`refresh materialized view ${name}`, `analyze ${name}`]
  },
}

/** What no policy concerns, on what no policy is on. */
export const truncatablePartition: Mutation = {
  what: 'the app’s login may truncate a partition',
  before: (tables) => [...(openPartition.before?.(tables) ?? []), `grant truncate on app.kit_parts_0 to ${app}`],
}

export const truncatableForgotten: Mutation = {
  what: 'a table is in neither list, and the app’s login may truncate it',
  before: (tables) => [...(forgottenTable.before?.(tables) ?? []), `grant truncate on app.kit_forgotten to ${app}`],
}
