// Reading: every form in which a statement can ask for rows that are another's.

import { quoted } from '../../../postgres/table-shape.ts'
import type { Attempt, Mutation, SqlAttack, Statement } from '../attack.ts'
import { noRowSecurity, openPolicy, openStatistics, openTemporary } from '../mutations.ts'
import { literal, type TableTarget } from '../target.ts'

const timesUntilGeneric = 7

type Ask = (target: TableTarget) => Statement | readonly Statement[]

interface Reading {
  readonly mutation?: Mutation
  readonly judge?: (target: TableTarget) => Attempt['judge']
  readonly rest?: Partial<Attempt>
}

/** Shows whatever it can get. */
function shows(id: string, tries: string, ask: Ask, { mutation = openPolicy, judge, rest }: Reading = {}): SqlAttack {
  return {
    id: `read.${id}`,
    tries,
    on: 'protected',
    mutation,
    plan(target) {
      const asked = ask(target)
      const statements = Array.isArray(asked) ? (asked as readonly Statement[]) : [asked as Statement]
      return { statements, judge: judge?.(target), ...rest }
    },
  }
}

/** Asks for what only the victim has, by a value of it: nothing may be found. */
function finds(id: string, tries: string, where: (column: string, value: unknown, target: TableTarget) => string): SqlAttack {
  return {
    id: `read.${id}`,
    tries,
    on: 'protected',
    mutation: openPolicy,
    plan(target) {
      const { telling, victimRow, sql } = target
      if (telling === undefined) return 'no column tells the victim’s rows from the attacker’s'
      return {
        statements: [`select * from ${sql} where ${where(quoted(telling.name), victimRow[telling.name], target)}`],
        findsNothing: true,
      }
    },
  }
}

/** The same in a text. */
function searches(id: string, tries: string, where: (column: string, part: string) => string): SqlAttack {
  return {
    id: `read.search.${id}`,
    tries,
    on: 'protected',
    mutation: noRowSecurity,
    plan({ text, victimRow, sql }) {
      if (text === undefined) return 'no text in it carries the mark'
      const value = String(victimRow[text.name])
      return { statements: [`select * from ${sql} where ${where(quoted(text.name), value)}`], findsNothing: true }
    },
  }
}

const firstNumber = (rows: readonly Readonly<Record<string, unknown>>[]): number => Number(Object.values(rows[0] ?? {})[0])
/** More than one's own is somebody else's. The truth knows how many that is. */
const counts: Reading = {
  judge:
    ({ ownCount }) =>
    ({ rows, code }) =>
      code === undefined && firstNumber(rows) > ownCount
        ? `counted ${firstNumber(rows)} rows, of which ${ownCount} are its own`
        : undefined,
}
/** Whatever is not false or zero. */
const isTrue: Reading = {
  judge:
    () =>
    ({ rows, code }) => {
      const value = Object.values(rows[0] ?? {})[0]
      return code === undefined && value !== null && value !== undefined && value !== false && Number(value) !== 0
        ? `was told ${String(value)}`
        : undefined
    },
}
const cast = (target: TableTarget, text: string): string => `${text}::${target.table.tenantType ?? 'uuid'}`

/** Attacks that read tables behind the wall. */
export const reads: readonly SqlAttack[] = [
  shows('every-row', 'read all rows, with no condition', ({ sql }) => `select * from ${sql}`),
  shows('true', 'a condition that is always true', ({ sql }) => `select * from ${sql} where '' = 'x' or true`, { mutation: noRowSecurity }),
  shows('table', 'the command TABLE', ({ sql }) => `table ${sql}`),
  shows('only', 'FROM ONLY', ({ sql }) => `select * from only ${sql}`),
  shows(
    'ctid',
    'rows by their place on disk',
    ({ sql }) =>
      `select * from ${sql} where ctid = any (array(select format('(%s,%s)', b, o)::tid from generate_series(0, 3) as b, generate_series(1, 60) as o))`,
  ),
  shows('sample', 'a sample of all pages', ({ sql }) => `select * from ${sql} tablesample system (100)`),
  shows(
    'cross-join',
    'a join of a row with those of other tenants',
    ({ sql, tenant }) => `select a.*, b.* from ${sql} as a cross join ${sql} as b where a.${tenant} <> b.${tenant}`,
  ),
  shows('lateral', 'a lateral sub-query', ({ sql }) => `select m.* from (values (1)) as v (x), lateral (select * from ${sql}) as m`),
  shows(
    'recursive',
    'a recursive query',
    ({ sql }) =>
      `with recursive r as (select t::text as line, 1 as depth from ${sql} as t union select t::text, depth + 1 from ${sql} as t, r where depth < 3) select * from r`,
  ),
  shows(
    'window',
    'a window over all rows',
    ({ sql }) => `select t::text, first_value(t::text) over (order by t::text desc), count(*) over () from ${sql} as t`,
  ),
  shows(
    'union',
    'a union with one’s own rows',
    ({ sql, tenant, ownKey }) =>
      `select t::text from ${sql} as t where ${tenant}::text = ${literal(ownKey)} union all select t::text from ${sql} as t`,
  ),
  shows(
    'except',
    'all rows but one’s own',
    ({ sql, tenant, ownKey }) =>
      `select t::text from ${sql} as t except select t::text from ${sql} as t where ${tenant}::text = ${literal(ownKey)}`,
  ),
  shows(
    'cube',
    'grouping sets, where a policy could become a constant',
    ({ sql, tenant }) => `select ${tenant}, t::text, count(*) from ${sql} as t group by cube (${tenant}, t::text)`,
  ),
  shows('json', 'all rows as one JSON', ({ sql }) => `select json_agg(t) from ${sql} as t`),
  shows('jsonb', 'all rows as one JSONB', ({ sql }) => `select jsonb_object_agg(t.ctid::text, to_jsonb(t)) from ${sql} as t`),
  shows('string', 'all rows as one text', ({ sql }) => `select string_agg(t::text, ';') from ${sql} as t`),
  shows('array', 'all rows as one array', ({ sql }) => `select array_agg(t) from ${sql} as t`),
  shows('scalar', 'a sub-query in the list of columns', ({ sql }) => `select array(select t::text from ${sql} as t)`),
  shows('values-in', 'a sub-query in VALUES', ({ sql }) => `values ((select string_agg(t::text, ';') from ${sql} as t))`),
  shows('minimum', 'the smallest and the largest values', ({ sql }) => `select min(t::text), max(t::text) from ${sql} as t`),
  shows(
    'mode',
    'an ordered-set aggregate',
    ({ sql }) => `select percentile_disc(array[0, 0.25, 0.5, 0.75, 1]) within group (order by t::text) from ${sql} as t`,
  ),
  shows('distinct', 'one row for each tenant', ({ sql, tenant }) => `select distinct on (${tenant}) * from ${sql} order by ${tenant}`),
  shows('backwards', 'the last rows first', ({ sql }) => `select * from ${sql} order by ctid desc limit 3`),
  shows('for-update', 'locking all rows', ({ sql }) => `select * from ${sql} for update`, { mutation: noRowSecurity }),
  shows('for-share', 'sharing all rows', ({ sql }) => `select * from ${sql} for share`, { mutation: noRowSecurity }),
  shows('skip-locked', 'a queue’s SKIP LOCKED', ({ sql }) => `select * from ${sql} for key share skip locked`, { mutation: noRowSecurity }),
  shows('cursor', 'a cursor', ({ sql }) => [`declare kit_c cursor for select * from ${sql}`, 'fetch all from kit_c']),
  shows('scroll', 'a cursor from its end', ({ sql }) => [
    `declare kit_s scroll cursor for select * from ${sql}`,
    'fetch last from kit_s',
    'fetch backward all from kit_s',
  ]),
  shows('hold', 'a cursor that outlives its transaction', ({ sql }) => [
    `declare kit_h cursor with hold for select * from ${sql}`,
    'fetch all from kit_h',
    'close kit_h',
  ]),
  shows('prepared', 'a prepared statement, until its plan is generic', ({ sql }) => [
    `prepare kit_p as select * from ${sql}`,
    ...Array.from({ length: timesUntilGeneric }, () => 'execute kit_p'),
    'deallocate kit_p',
  ]),
  shows('generic-plan', 'a generic plan from the start', ({ sql, tenant }) => [
    'set local plan_cache_mode = force_generic_plan',
    `prepare kit_g (text) as select * from ${sql} where ${tenant}::text <> $1`,
    `execute kit_g ('')`,
    'deallocate kit_g',
  ]),
  shows('custom-plan', 'a custom plan with the victim for a parameter', ({ sql, tenant, victimKey }) => [
    'set local plan_cache_mode = force_custom_plan',
    `prepare kit_u (text) as select * from ${sql} where ${tenant}::text = $1`,
    `execute kit_u (${literal(victimKey)})`,
    'deallocate kit_u',
  ]),
  shows('parallel', 'workers that read in parallel', ({ sql }) => [
    'set local parallel_setup_cost = 0',
    'set local parallel_tuple_cost = 0',
    'set local min_parallel_table_scan_size = 0',
    `select t::text from ${sql} as t`,
  ]),
  shows('no-index', 'a plan without indexes', ({ sql, tenant, victimKey }) => [
    'set local enable_indexscan = off',
    'set local enable_bitmapscan = off',
    `select * from ${sql} where ${tenant}::text = ${literal(victimKey)}`,
  ]),
  shows('savepoint', 'after a savepoint was rolled back', ({ sql }) => [
    'savepoint kit',
    `select * from ${sql}`,
    'rollback to savepoint kit',
    `select * from ${sql}`,
  ]),
  shows(
    'block',
    'a code block that raises what it reads',
    ({ sql }) => `do $$ declare r text; begin for r in select t::text from ${sql} as t loop raise notice '%', r; end loop; end $$`,
  ),
  shows('copy-table', 'COPY of the table', ({ sql }) => `copy ${sql} to stdout`),
  shows('copy-query', 'COPY of a query', ({ sql }) => `copy (select * from ${sql}) to stdout (format csv)`),
  shows(
    'returning-update',
    'RETURNING of an update without a condition',
    ({ sql, tenant }) => `update ${sql} set ${tenant} = ${tenant} returning *`,
    { mutation: noRowSecurity },
  ),
  shows('returning-delete', 'RETURNING of a deletion without a condition', ({ sql }) => `delete from ${sql} returning *`, {
    mutation: noRowSecurity,
    rest: { refusals: ['23503', '23001'] },
  }),
  shows(
    'copy-of-table',
    'a table of one’s own made of all rows',
    ({ sql }) => [`create temporary table kit_t as select * from ${sql}`, 'select * from kit_t'],
    { mutation: openTemporary },
  ),
  shows('select-into', 'SELECT INTO', ({ sql }) => [`select * into temporary kit_i from ${sql}`, 'select * from kit_i'], {
    mutation: openTemporary,
  }),
  shows(
    'statistics',
    'the planner’s statistics',
    ({ table }) =>
      `select most_common_vals::text, histogram_bounds::text, most_common_elems::text from pg_catalog.pg_stats where schemaname = ${literal(table.schema)} and tablename = ${literal(table.name)}`,
    { mutation: openStatistics },
  ),
  shows('security-off', 'row_security off for the transaction', ({ sql }) => ['set local row_security = off', `select * from ${sql}`], {
    mutation: noRowSecurity,
  }),
  shows(
    'others',
    'all but one’s own tenant',
    ({ sql, tenant, ownKey }) => `select * from ${sql} where ${tenant}::text <> ${literal(ownKey)}`,
    { rest: { findsNothing: true } },
  ),
  shows(
    'by-tenant',
    'where the tenant is another’s',
    ({ sql, tenant, victimKey }) => `select * from ${sql} where ${tenant}::text = ${literal(victimKey)}`,
    { rest: { findsNothing: true } },
  ),
  shows(
    'by-tenant-typed',
    'the same through the index',
    (target) => `select * from ${target.sql} where ${target.tenant} = ${cast(target, literal(target.victimKey))}`,
    { rest: { findsNothing: true } },
  ),
  shows(
    'by-parameter',
    'the same by a parameter',
    ({ sql, tenant, victimKey }) => ({ text: `select * from ${sql} where ${tenant}::text = $1`, values: [victimKey] }),
    { rest: { findsNothing: true } },
  ),
  shows(
    'in-bound-list',
    'a list of both tenants',
    (target) =>
      `select * from ${target.sql} where ${target.tenant} in (${cast(target, literal(target.ownKey))}, ${cast(target, literal(target.victimKey))})`,
  ),
  shows('beyond-own', 'an OFFSET behind one’s own rows', ({ sql, ownCount }) => `select * from ${sql} offset ${ownCount}`, {
    rest: { findsNothing: true },
  }),
  shows(
    'error-value',
    'an error that quotes a value',
    ({ sql, text, tenant, ownKey }) =>
      `select ${text === undefined ? 'null' : quoted(text.name)}::text::integer from ${sql} where ${tenant}::text <> ${literal(ownKey)}`,
    { mutation: noRowSecurity, rest: { refusals: ['22P02'] } },
  ),
  finds('by-key', 'a row by its key', (column, value) => `${column}::text = ${literal(value)}`),
  finds('by-key-typed', 'the same through an index', (column, value, { telling }) => `${column} = ${literal(value)}::${telling?.type}`),
  finds('by-key-or', 'the same with OR', (column, value) => `false or ${column}::text = ${literal(value)} or false`),
  finds('by-key-list', 'the same in a list', (column, value) => `${column}::text = any (array[${literal(value)}])`),
  finds(
    'by-key-exists',
    'the same by EXISTS',
    (column, value, { sql }) => `exists (select from ${sql} as x where x.${column}::text = ${literal(value)})`,
  ),
  finds(
    'by-key-row',
    'the same by the whole row',
    (column, value, { tenant, victimKey }) => `(${tenant}::text, ${column}::text) = (${literal(victimKey)}, ${literal(value)})`,
  ),
  finds('by-key-range', 'a range around it', (column, value) => `${column}::text between ${literal(value)} and ${literal(value)}`),
  searches('like', 'LIKE', (column, part) => `${column}::text like ${literal(`%${part}%`)}`),
  searches('ilike', 'ILIKE', (column, part) => `${column}::text ilike ${literal(`%${part}%`)}`),
  searches('regex', 'a regular expression', (column, part) => `${column}::text ~ ${literal(part)}`),
  searches('similar', 'SIMILAR TO', (column, part) => `${column}::text similar to ${literal(`%${part}%`)}`),
  searches('prefix', 'a prefix', (column, part) => `starts_with(${column}::text, ${literal(part.slice(0, -2))})`),
  searches('position', 'position()', (column, part) => `position(${literal(part)} in ${column}::text) > 0`),
  searches(
    'words',
    'full-text search',
    (column, part) => `to_tsvector('simple', ${column}::text) @@ plainto_tsquery('simple', ${literal(part)})`,
  ),
  searches(
    'case',
    'a search without regard to case',
    (column, part) => `upper(${column}::text) like ${literal(`%${part.toUpperCase()}%`)}`,
  ),
  shows('count', 'count all rows', ({ sql }) => `select count(*) from ${sql}`, counts),
  shows('count-window', 'count them in a window', ({ sql }) => `select count(*) over () from ${sql} limit 1`, counts),
  shows('count-sum', 'count them by a sum', ({ sql }) => `select sum(1) from ${sql}`, counts),
  shows(
    'count-prepared',
    'count them by a prepared statement, until its plan is generic',
    ({ sql }) => [`prepare kit_n as select count(*) from ${sql}`, ...Array.from({ length: timesUntilGeneric }, () => 'execute kit_n')],
    counts,
  ),
  shows('count-json', 'count them in a JSON', ({ sql }) => `select json_array_length(json_agg(t)) from ${sql} as t`, counts),
  shows('count-distinct', 'count the tenants', ({ sql, tenant }) => `select count(distinct ${tenant}) - 1 from ${sql}`, isTrue),
  shows(
    'count-filter',
    'count the victim’s by a filter',
    ({ sql, tenant, victimKey }) => `select count(*) filter (where ${tenant}::text = ${literal(victimKey)}) from ${sql}`,
    isTrue,
  ),
  shows(
    'any-of-victim',
    'ask whether there is any of the victim’s',
    ({ sql, tenant, victimKey }) => `select bool_or(${tenant}::text = ${literal(victimKey)}) from ${sql}`,
    isTrue,
  ),
  shows(
    'exists',
    'ask whether there is a row with its key',
    ({ sql, telling, victimRow }) =>
      `select exists (select from ${sql} as t where ${telling === undefined ? 'false' : `t.${quoted(telling.name)}::text = ${literal(victimRow[telling.name])}`})`,
    isTrue,
  ),
  shows(
    'divide',
    'a division by zero that depends on a value',
    ({ sql, telling, victimRow }) =>
      `select count(1 / (case when ${telling === undefined ? 'false' : `${quoted(telling.name)}::text = ${literal(victimRow[telling.name])}`} then 0 else 1 end)) from ${sql}`,
    { rest: { tells: ['22012'] } },
  ),
  shows(
    'divide-where',
    'the same in a condition',
    ({ sql, telling, victimRow }) =>
      `select from ${sql} where 1 / (case when ${telling === undefined ? 'false' : `${quoted(telling.name)}::text = ${literal(victimRow[telling.name])}`} then 0 else 1 end) = 1`,
    { rest: { tells: ['22012'] } },
  ),
]
