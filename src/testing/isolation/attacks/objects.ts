// Objects: what stands beside the tables behind the wall. Views, functions, partitions, sequences; tables that nobody has declared.

import { quoted } from '../../../postgres/table-shape.ts'
import type { Attempt, Mutation, SqlAttack, SqlGround } from '../attack.ts'
import {
  analyzedView,
  definerFunction,
  definerView,
  forgottenTable,
  materializedView,
  openPartition,
  sharedSequence,
  truncatableForgotten,
  truncatablePartition,
  writableGlobal,
} from '../mutations.ts'
import type { SurveyedObject } from '../survey.ts'
import { literal, type TableTarget } from '../target.ts'

function of(
  on: SqlGround,
  id: string,
  tries: string,
  mutation: Mutation,
  plan: (object: SurveyedObject, target: TableTarget) => Attempt | string,
): SqlAttack {
  return { id: `${on}.${id}`, tries, on, mutation, plan: (target, _stage, object) => plan(object, target) }
}

const seen =
  (text: (object: SurveyedObject) => string) =>
  (object: SurveyedObject): Attempt => ({ statements: [text(object)], refusals: ['55000'] })

/** Attacks on what is beside the tables behind the wall. */
export const objects: readonly SqlAttack[] = [
  of(
    'view',
    'read',
    'read it',
    definerView,
    seen(({ sql }) => `select * from ${sql}`),
  ),
  of(
    'view',
    'json',
    'read it as one JSON',
    definerView,
    seen(({ sql }) => `select json_agg(v) from ${sql} as v`),
  ),
  of('view', 'delete', 'delete through it', definerView, ({ sql }) => ({
    statements: [`delete from ${sql}`],
    commits: true,
    refusals: ['55000', '42809', '23503'],
  })),
  of('view', 'stored', 'read what a materialized view keeps', materializedView, ({ sql, kind }) =>
    kind === 'materialized view' ? { statements: [`select * from ${sql}`], refusals: ['55000'] } : 'it keeps nothing',
  ),
  of('view', 'stored-statistics', 'read the statistics of what it keeps', analyzedView, ({ sql, kind }) =>
    kind === 'materialized view'
      ? {
          statements: [
            `select most_common_vals::text, histogram_bounds::text from pg_catalog.pg_stats where format('%I.%I', schemaname, tablename) = ${literal(sql)}`,
          ],
        }
      : 'it keeps nothing',
  ),
  of('function', 'rows', 'call it', definerFunction, ({ sql, argumentsMin }) =>
    argumentsMin === 0
      ? { statements: [`select * from ${sql}()`], refusals: ['0A000', '42601', '42809'] }
      : `it wants ${argumentsMin} arguments, which nobody can guess`,
  ),
  of('function', 'json', 'call it for one JSON', definerFunction, ({ sql, argumentsMin }) =>
    argumentsMin === 0
      ? { statements: [`select json_agg(f) from ${sql}() as f`], refusals: ['0A000', '42601', '42809'] }
      : `it wants ${argumentsMin} arguments, which nobody can guess`,
  ),
  of('sequence', 'next', 'take a number of a sequence that all share', sharedSequence, ({ sql }) => ({
    statements: [`select nextval(${literal(sql)})`],
    isForbidden: true,
  })),
  of('sequence', 'last', 'read how many numbers were taken', sharedSequence, ({ sql }) => ({
    statements: [`select last_value from ${sql}`],
    isForbidden: true,
  })),
  of('sequence', 'set', 'set it back', sharedSequence, ({ sql }) => ({
    statements: [`select setval(${literal(sql)}, 1)`],
    isForbidden: true,
  })),
  of(
    'partition',
    'read',
    'read a partition by its own name',
    openPartition,
    seen(({ sql }) => `select * from ${sql}`),
  ),
  of('partition', 'count', 'count a partition by its own name', openPartition, ({ sql }) => ({
    statements: [`select count(*) from ${sql}`],
    isForbidden: true,
  })),
  of('partition', 'delete', 'delete from a partition by its own name', openPartition, ({ sql }) => ({
    statements: [`delete from ${sql}`],
    commits: true,
    refusals: ['23503'],
  })),
  of('partition', 'truncate', 'truncate a partition by its own name', truncatablePartition, ({ sql }) => ({
    statements: [`truncate ${sql}`],
    commits: true,
    isForbidden: true,
  })),
  of('forgotten', 'read', 'read a table that is in no list', forgottenTable, (_, { sql }) => ({ statements: [`select * from ${sql}`] })),
  of('forgotten', 'count', 'count it', forgottenTable, (_, { sql }) => ({
    statements: [`select count(*) from ${sql}`],
    isForbidden: true,
  })),
  of('forgotten', 'update', 'change it', forgottenTable, (_, { sql, writable, tenant }) => ({
    statements: [
      `update ${sql} set ${writable === undefined ? `${tenant} = ${tenant}` : `${quoted(writable.column.name)} = ${writable.value}`}`,
    ],
    commits: true,
  })),
  of('forgotten', 'delete', 'empty it', forgottenTable, (_, { sql }) => ({
    statements: [`delete from ${sql}`],
    commits: true,
    refusals: ['23503'],
  })),
  of('global', 'insert', 'add to a table that is everybody’s', writableGlobal, (_, { sql }) => ({
    statements: [`insert into ${sql} select * from ${sql} where false`],
    isForbidden: true,
    refusals: ['428C9'],
  })),
  of('global', 'update', 'change a table that is everybody’s', writableGlobal, (_, { sql, table }) => ({
    statements: [`update ${sql} set ${quoted(table.columns[0]?.name ?? '')} = ${quoted(table.columns[0]?.name ?? '')} where false`],
    isForbidden: true,
    refusals: ['428C9'],
  })),
  of('global', 'delete', 'empty a table that is everybody’s', writableGlobal, (_, { sql }) => ({
    statements: [`delete from ${sql} where false`],
    isForbidden: true,
  })),
  of('global', 'truncate', 'truncate a table that is everybody’s', writableGlobal, (_, { sql }) => ({
    statements: [`truncate ${sql}`],
    isForbidden: true,
    refusals: ['0A000'],
  })),
  of('forgotten', 'truncate', 'truncate it', truncatableForgotten, (_, { sql }) => ({
    statements: [`truncate ${sql}`],
    isForbidden: true,
    refusals: ['0A000'],
  })),
]
