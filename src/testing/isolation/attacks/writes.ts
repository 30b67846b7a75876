// Writing: to what is another's, for another, and away from another. All of it is committed, and judged by what is there afterwards.

import { randomInt, randomUUID } from 'node:crypto'
import { quoted } from '../../../postgres/table-shape.ts'
import type { Attempt, Mutation, SqlAttack, Statement } from '../attack.ts'
import { grantedOnTable, noReferences, noRowSecurity, tenantless } from '../mutations.ts'
import type { Row } from '../seed.ts'
import { inserted, keyColumns, literal, type TableTarget } from '../target.ts'

/** Other rows of one's own refer to it: ON DELETE NO ACTION, and RESTRICT since PostgreSQL 18. */
const gone = ['23503', '23001']
const timesUntilGeneric = 7

type Write = (
  target: TableTarget & { readonly set: string; readonly key: string; readonly keyValue: string },
) => Statement | readonly Statement[]

/** A change of rows that are there. */
function changes(id: string, tries: string, write: Write, rest: Partial<Attempt> = {}, mutation: Mutation = noRowSecurity): SqlAttack {
  return {
    id: `write.${id}`,
    tries,
    on: 'protected',
    mutation,
    plan(target) {
      const { writable, telling, victimRow } = target
      if (writable === undefined) return 'no column of it can be changed freely'
      if (telling === undefined) return 'no column tells the victim’s rows from the attacker’s'
      const set = `${quoted(writable.column.name)} = ${writable.value}`
      const written = write({ ...target, set, key: `${quoted(telling.name)}::text`, keyValue: literal(victimRow[telling.name]) })
      return { statements: Array.isArray(written) ? (written as readonly Statement[]) : [written as Statement], commits: true, ...rest }
    },
  }
}

/** A row that is put there. */
function puts(
  id: string,
  tries: string,
  write: (target: TableTarget, fresh: Row) => Statement | readonly Statement[],
  rest: Partial<Attempt> = {},
  mutation: Mutation = noRowSecurity,
): SqlAttack {
  return {
    id: `write.${id}`,
    tries,
    on: 'protected',
    mutation,
    plan(target) {
      const fresh = freshKey(target)
      if (fresh === undefined) return 'a key of it cannot be made anew'
      const written = write(target, fresh)
      return { statements: Array.isArray(written) ? (written as readonly Statement[]) : [written as Statement], commits: true, ...rest }
    },
  }
}

/** New values for columns of unique keys: for as many as they can be made for, and for one of each key at least. */
export function freshKey(target: TableTarget): Row | undefined {
  const { table } = target
  const values: Record<string, unknown> = {}
  for (const name of keyColumns(target)) {
    if (table.references.some(({ columns }) => columns.includes(name))) continue
    const column = table.columns.find((each) => each.name === name)
    const value = freshValue(column?.base)?.slice(0, column?.lengthMax ?? undefined)
    if (value !== undefined) values[name] = value
  }
  return table.keys.every(({ columns }) => columns.some((name) => name in values)) ? values : undefined
}

function freshValue(base: string | undefined): string | undefined {
  switch (base) {
    case 'uuid':
      return randomUUID()
    case 'text':
    case 'character varying':
    case 'citext':
      return `${randomInt(1_000_000_000)}@example.test`
    case 'integer':
    case 'bigint':
      return String(randomInt(1_000_000_000))
    default:
      return undefined
  }
}

const tenantOf = ({ table }: TableTarget, value: string): Row => ({ [table.tenantColumn ?? 'tenant_id']: value })

/** Attacks that write to tables behind the wall. */
export const writes: readonly SqlAttack[] = [
  changes('update-all', 'change all rows, with no condition', ({ sql, set }) => `update ${sql} set ${set}`),
  changes('update-all-seen', 'the same and look at them', ({ sql, set }) => `update ${sql} set ${set} returning *`),
  changes(
    'update-by-key',
    'change a row by its key',
    ({ sql, set, key, keyValue }) => `update ${sql} set ${set} where ${key} = ${keyValue}`,
    { findsNothing: true },
  ),
  changes(
    'update-by-tenant',
    'change all rows of the victim',
    ({ sql, set, tenant, victimKey }) => `update ${sql} set ${set} where ${tenant}::text = ${literal(victimKey)}`,
    { findsNothing: true },
  ),
  changes(
    'update-by-join',
    'change them by a join',
    ({ sql, set, key, keyValue }) => `update ${sql} as t set ${set} from (values (${keyValue})) as v (k) where t.${key} = v.k`,
    { findsNothing: true },
  ),
  changes(
    'update-in-cte',
    'change them in a CTE',
    ({ sql, set }) => `with x as (update ${sql} set ${set} returning *) select count(*) from x`,
  ),
  changes(
    'update-by-place',
    'change them by their place on disk',
    ({ sql, set }) =>
      `update ${sql} set ${set} where ctid = any (array(select format('(0,%s)', g)::tid from generate_series(1, 100) as g))`,
  ),
  changes('update-prepared', 'change them by a prepared statement, until its plan is generic', ({ sql, set }) => [
    `prepare kit_w as update ${sql} set ${set}`,
    ...Array.from({ length: timesUntilGeneric }, () => 'execute kit_w'),
  ]),
  changes(
    'update-in-block',
    'change them in a code block',
    ({ sql, set }) => `do $$ begin update ${sql} set ${set.replaceAll('$$', '')}; end $$`,
  ),
  changes('update-in-savepoint', 'change them in a savepoint', ({ sql, set }) => [
    'savepoint kit',
    `update ${sql} set ${set}`,
    'release savepoint kit',
  ]),
  changes(
    'update-at-cursor',
    'change what a cursor stands on',
    ({ sql, set, tenant, victimKey }) => [
      `declare kit_w cursor for select * from ${sql} where ${tenant}::text = ${literal(victimKey)} for update`,
      'fetch next from kit_w',
      `update ${sql} set ${set} where current of kit_w`,
    ],
    { refusals: ['24000'] },
  ),
  changes(
    'update-hand-over',
    'hand one’s own rows to the victim',
    ({ sql, tenant, table, victimKey }) => `update ${sql} set ${tenant} = ${literal(victimKey)}::${table.tenantType}`,
    { refusals: [...gone, '23505'] },
    noReferences,
  ),
  changes(
    'update-take',
    'take the victim’s rows, with no condition',
    ({ sql, tenant, table, ownKey }) => `update ${sql} set ${tenant} = ${literal(ownKey)}::${table.tenantType}`,
    { refusals: [...gone, '23505'] },
  ),
  changes(
    'update-take-named',
    'take the victim’s rows by its id',
    ({ sql, tenant, table, ownKey, victimKey }) =>
      `update ${sql} set ${tenant} = ${literal(ownKey)}::${table.tenantType} where ${tenant}::text = ${literal(victimKey)}`,
    { findsNothing: true, refusals: [...gone, '23505'] },
  ),
  changes('delete-all', 'delete all rows, with no condition', ({ sql }) => `delete from ${sql}`, { refusals: gone }),
  changes('delete-all-seen', 'the same and look at them', ({ sql }) => `delete from ${sql} returning *`, { refusals: gone }),
  changes('delete-by-key', 'delete a row by its key', ({ sql, key, keyValue }) => `delete from ${sql} where ${key} = ${keyValue}`, {
    findsNothing: true,
    refusals: gone,
  }),
  changes(
    'delete-by-tenant',
    'delete all rows of the victim',
    ({ sql, tenant, victimKey }) => `delete from ${sql} where ${tenant}::text = ${literal(victimKey)}`,
    { findsNothing: true, refusals: gone },
  ),
  changes(
    'delete-by-join',
    'delete them by a join',
    ({ sql, key, keyValue }) => `delete from ${sql} as t using (values (${keyValue})) as v (k) where t.${key} = v.k`,
    { findsNothing: true, refusals: gone },
  ),
  changes('delete-in-cte', 'delete them in a CTE', ({ sql }) => `with x as (delete from ${sql} returning *) select count(*) from x`, {
    refusals: gone,
  }),
  changes('delete-prepared', 'delete them by a prepared statement', ({ sql }) => [`prepare kit_d as delete from ${sql}`, 'execute kit_d'], {
    refusals: gone,
  }),
  changes(
    'merge-update',
    'MERGE that changes rows of the victim',
    ({ sql, set, key, keyValue }) =>
      `merge into ${sql} as t using (values (${keyValue})) as v (k) on t.${key} = v.k when matched then update set ${set}`,
    { findsNothing: true },
  ),
  changes(
    'merge-delete',
    'MERGE that deletes rows of the victim',
    ({ sql, key, keyValue }) => `merge into ${sql} as t using (values (${keyValue})) as v (k) on t.${key} = v.k when matched then delete`,
    { findsNothing: true, refusals: gone },
  ),
  changes(
    'merge-all',
    'MERGE that matches everything',
    ({ sql, set }) => `merge into ${sql} as t using (values (1)) as v (k) on true when matched then update set ${set}`,
  ),
  changes(
    'truncate',
    'TRUNCATE, which no policy concerns',
    ({ sql }) => `truncate ${sql}`,
    { isForbidden: true, refusals: ['0A000'] },
    grantedOnTable('truncate'),
  ),
  changes(
    'truncate-cascade',
    'TRUNCATE with all that refers to it',
    ({ sql }) => `truncate ${sql} cascade`,
    { isForbidden: true },
    grantedOnTable('truncate'),
  ),
  changes('copy-in', 'COPY into the table', ({ sql }) => `copy ${sql} from stdin`, {
    isForbidden: true,
    refusals: ['0A000'],
    tells: ['57014'],
  }),
  puts(
    'insert',
    'a row for the victim',
    (target, fresh) => inserted(target, target.ownRow, { ...fresh, ...tenantOf(target, target.victimKey) }),
    { isForbidden: true, refusals: gone },
  ),
  puts(
    'insert-own-parents',
    'a row for the victim that refers to rows of the victim',
    (target, fresh) => inserted(target, target.victimRow, { ...fresh, ...tenantOf(target, target.victimKey) }),
    { isForbidden: true },
  ),
  puts(
    'insert-among-own',
    'a row for the victim behind one of one’s own',
    (target, fresh) => [
      inserted(target, target.ownRow, fresh),
      inserted(target, target.victimRow, { ...(freshKey(target) ?? {}), ...tenantOf(target, target.victimKey) }),
    ],
    { isForbidden: true },
  ),
  puts(
    'insert-returning',
    'a row for the victim, and look at it',
    (target, fresh) => `${inserted(target, target.victimRow, { ...fresh, ...tenantOf(target, target.victimKey) })} returning *`,
    { isForbidden: true },
  ),
  puts(
    'insert-in-cte',
    'a row for the victim in a CTE',
    (target, fresh) =>
      `with x as (${inserted(target, target.victimRow, { ...fresh, ...tenantOf(target, target.victimKey) })} returning 1) select count(*) from x`,
    { isForbidden: true },
  ),
  puts(
    'insert-in-block',
    'a row for the victim in a code block',
    (target, fresh) =>
      `do $kit$ begin ${inserted(target, target.victimRow, { ...fresh, ...tenantOf(target, target.victimKey) })}; end $kit$`,
    { isForbidden: true },
  ),
  puts('upsert', 'an upsert onto the victim’s key', (target) => `${inserted(target, target.victimRow, {})} on conflict do nothing`, {
    isForbidden: true,
  }),
  puts(
    'upsert-update',
    'an upsert that changes the victim’s row',
    (target) =>
      `${inserted(target, target.victimRow, {})} on conflict (${(target.table.keys[0]?.columns ?? []).map(quoted).join(', ')}) do update set ${target.tenant} = excluded.${target.tenant}`,
    { isForbidden: true },
  ),
  puts(
    'insert-nobody',
    'a row without a tenant',
    (target, fresh) => inserted(target, target.ownRow, { ...fresh, [target.table.tenantColumn ?? 'tenant_id']: null }),
    { isForbidden: true, refusals: ['23502'] },
    tenantless,
  ),
  puts(
    'insert-stranger',
    'a row for a tenant that does not exist',
    (target, fresh) => inserted(target, target.ownRow, { ...fresh, ...tenantOf(target, strangerOf(target)) }),
    { isForbidden: true, refusals: gone },
  ),
]

/** Refers to nothing: what it would refer to is another's. */
function strangerOf({ table }: TableTarget): string {
  return table.tenantType === 'bigint' ? '4611686018427387904' : '00000000-0000-4000-8000-000000000000'
}
