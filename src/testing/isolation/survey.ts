// What there is in a database that a tenant could reach: every table, view, function and sequence outside PostgreSQL's own schemas,
// read from the catalogs. Nothing is taken from a list that somebody keeps by hand.

import type { GroundTruth } from '../ground-truth.ts'

/** `protected` and `global` as partywall's own lists say; `forgotten`: in neither. */
export type TableStatus = 'protected' | 'global' | 'forgotten'

export interface SurveyedColumn {
  readonly name: string
  /** As PostgreSQL spells it, e.g. `character varying(20)`. */
  readonly type: string
  /** Without length, and of a domain the type below it. */
  readonly base: string
  readonly isArray: boolean
  readonly isNullable: boolean
  readonly hasDefault: boolean
  /** The database makes it: nobody may set it. */
  readonly isGenerated: boolean
  readonly lengthMax: number | null
  readonly labels: readonly string[] | null
}

export interface SurveyedKey {
  readonly name: string
  readonly columns: readonly string[]
  readonly isPrimary: boolean
}

export interface SurveyedReference {
  readonly name: string
  readonly columns: readonly string[]
  /** Oid of the other table. */
  readonly to: number
  readonly toColumns: readonly string[]
}

export interface SurveyedTable {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** `schema.table`, quoted. */
  readonly sql: string
  readonly status: TableStatus
  readonly tenantColumn: string | null
  readonly tenantType: string | null
  /** Of a partition, the oid of what it is a partition of. */
  readonly partitionOf: number | null
  /** What the app's login may do with it: `select`, `insert`, `update`, `delete`, … */
  readonly privileges: readonly string[]
  readonly columns: readonly SurveyedColumn[]
  readonly keys: readonly SurveyedKey[]
  readonly references: readonly SurveyedReference[]
  readonly checks: readonly { readonly name: string; readonly columns: readonly string[]; readonly text: string }[]
}

/** A view, a materialized view or a foreign table that the app's login can read, or a function that it can call. */
export interface SurveyedObject {
  readonly kind: 'view' | 'materialized view' | 'foreign table' | 'function' | 'sequence'
  readonly sql: string
  /** Of a function: runs with its owner's rights. */
  readonly isDefiner: boolean
  /** Of a function: how many arguments must be given, and whether it gives rows. */
  readonly argumentsMin: number
}

export interface Survey {
  readonly tables: readonly SurveyedTable[]
  readonly objects: readonly SurveyedObject[]
}

const ours = `n.nspname not in ('pg_catalog', 'information_schema', 'partywall') and n.nspname !~ '^pg_'`
const notOfExtension = (oid: string, of: string) =>
  `not exists (select from pg_catalog.pg_depend as x where x.classid = '${of}'::regclass and x.objid = ${oid} and x.deptype = 'e')`

const tablesQuery = `
  select c.oid::int as oid, n.nspname as schema, c.relname as name, format('%I.%I', n.nspname, c.relname) as sql,
         case when p.table_name is not null then 'protected' when g.table_name is not null then 'global' else 'forgotten' end as status,
         coalesce(p.tenant_column, (select a.attname from pg_catalog.pg_attribute as a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)) as "tenantColumn",
         (select format_type(a.atttypid, null) from pg_catalog.pg_attribute as a where a.attrelid = c.oid and a.attname = coalesce(p.tenant_column, 'tenant_id') and not a.attisdropped) as "tenantType",
         (select i.inhparent::int from pg_catalog.pg_inherits as i where i.inhrelid = c.oid limit 1) as "partitionOf",
         array(select lower(r) from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as r where has_table_privilege($1, c.oid, r)) as privileges,
         coalesce((
           select json_agg(json_build_object(
                    'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                    'base', format_type(case when t.typtype = 'd' then t.typbasetype when t.typcategory = 'A' and t.typelem <> 0 then t.typelem else t.oid end, null),
                    'isArray', t.typcategory = 'A' and t.typelem <> 0,
                    'isNullable', not a.attnotnull and not t.typnotnull, 'hasDefault', a.atthasdef or t.typdefault is not null,
                    'isGenerated', a.attgenerated <> '' or a.attidentity = 'a',
                    'lengthMax', case when t.typname in ('varchar', 'bpchar') and a.atttypmod > 4 then a.atttypmod - 4 end,
                    'labels', (select json_agg(e.enumlabel order by e.enumsortorder) from pg_catalog.pg_enum as e
                                where e.enumtypid = case when t.typcategory = 'A' then t.typelem else coalesce(nullif(t.typbasetype, 0), t.oid) end)) order by a.attnum)
             from pg_catalog.pg_attribute as a join pg_catalog.pg_type as t on t.oid = a.atttypid
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]') as columns,
         coalesce((
           select json_agg(json_build_object('name', ic.relname, 'isPrimary', i.indisprimary, 'columns',
                    (select json_agg(a.attname order by k.ord) from unnest(i.indkey::int2[]) with ordinality as k (attnum, ord)
                       join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum = k.attnum where k.ord <= i.indnkeyatts)) order by i.indisprimary desc, ic.relname)
             from pg_catalog.pg_index as i join pg_catalog.pg_class as ic on ic.oid = i.indexrelid
            where i.indrelid = c.oid and i.indisunique and i.indpred is null and not (0 = any (i.indkey::int2[]))), '[]') as keys,
         coalesce((
           select json_agg(json_build_object('name', k.conname, 'to', k.confrelid::int,
                    'columns', (select json_agg(a.attname order by x.ord) from unnest(k.conkey) with ordinality as x (attnum, ord)
                                  join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = x.attnum),
                    'toColumns', (select json_agg(a.attname order by x.ord) from unnest(k.confkey) with ordinality as x (attnum, ord)
                                    join pg_catalog.pg_attribute as a on a.attrelid = k.confrelid and a.attnum = x.attnum)) order by k.conname)
             from pg_catalog.pg_constraint as k where k.conrelid = c.oid and k.contype = 'f'), '[]') as references,
         coalesce((
           select json_agg(json_build_object('name', k.conname, 'text', pg_get_constraintdef(k.oid), 'columns',
                    coalesce((select json_agg(a.attname) from unnest(k.conkey) as x (attnum)
                                join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = x.attnum), '[]')))
             from pg_catalog.pg_constraint as k where k.conrelid = c.oid and k.contype = 'c'), '[]') as checks
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    left join partywall.protected_tables as p on to_regclass(p.table_name) = c.oid
    left join partywall.global_tables as g on to_regclass(g.table_name) = c.oid
   where c.relkind in ('r', 'p') and c.relpersistence <> 't' and ${ours} and ${notOfExtension('c.oid', 'pg_catalog.pg_class')}
   order by 2, 3`

const objectsQuery = `
  select case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' else 'sequence' end as kind,
         format('%I.%I', n.nspname, c.relname) as sql, false as "isDefiner", 0 as "argumentsMin"
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
   where c.relkind in ('v', 'm', 'f', 'S') and ${ours} and ${notOfExtension('c.oid', 'pg_catalog.pg_class')}
  union all
  select 'function', format('%I.%I', n.nspname, f.proname), f.prosecdef, f.pronargs - f.pronargdefaults
    from pg_catalog.pg_proc as f
    join pg_catalog.pg_namespace as n on n.oid = f.pronamespace
   where f.prokind = 'f' and f.prorettype <> 'trigger'::regtype and f.prorettype <> 'event_trigger'::regtype
     and ${ours} and ${notOfExtension('f.oid', 'pg_catalog.pg_proc')}
   order by 1, 2`

/** @param login the one that runs the application's SQL. */
export async function surveyOf(truth: GroundTruth, login: string): Promise<Survey> {
  return {
    tables: await truth.query<SurveyedTable>(tablesQuery, [login]),
    objects: await truth.query<SurveyedObject>(objectsQuery),
  }
}
