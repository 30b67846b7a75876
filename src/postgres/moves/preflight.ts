// What would break a move, and how to mend it, before anything is begun.

import type { MoveFinding } from '../../core/move-finding.ts'
import { MoveRefusedError } from '../../errors.ts'
import type { MoveCheck } from './check.ts'
import { alwaysTriggers } from './preflight/always-triggers.ts'
import { diskSpace } from './preflight/disk-space.ts'
import { extensions } from './preflight/extensions.ts'
import { foreignTables } from './preflight/foreign-tables.ts'
import { functionsWithoutPath } from './preflight/functions-without-path.ts'
import { gates } from './preflight/gates.ts'
import { generatedColumns } from './preflight/generated-columns.ts'
import { globalTables } from './preflight/global-tables.ts'
import { largeRows } from './preflight/large-rows.ts'
import { leftovers } from './preflight/leftovers.ts'
import { longTransactions } from './preflight/long-transactions.ts'
import { materializedViews } from './preflight/materialized-views.ts'
import { migrationVersion } from './preflight/migration-version.ts'
import { openOperation } from './preflight/open-operation.ts'
import { outputPlugin } from './preflight/output-plugin.ts'
import { partitionedTables } from './preflight/partitioned-tables.ts'
import { primary } from './preflight/primary.ts'
import { reachable } from './preflight/reachable.ts'
import { region } from './preflight/region.ts'
import { replicaIdentity } from './preflight/replica-identity.ts'
import { replicationRole } from './preflight/replication-role.ts'
import { residency } from './preflight/residency.ts'
import { rowFilterTypes } from './preflight/row-filter-types.ts'
import { rowGuards } from './preflight/row-guards.ts'
import { samePlace } from './preflight/same-place.ts'
import { sequences } from './preflight/sequences.ts'
import { serverVersion } from './preflight/server-version.ts'
import { slots } from './preflight/slots.ts'
import { tableShape } from './preflight/table-shape.ts'
import { targetRows } from './preflight/target-rows.ts'
import { types } from './preflight/types.ts'
import { unindexedForeignKey } from './preflight/unindexed-foreign-key.ts'
import { uniqueWithoutTenant } from './preflight/unique-without-tenant.ts'
import { unloggedTables } from './preflight/unlogged-tables.ts'
import { unprotectedTables } from './preflight/unprotected-tables.ts'
import { walLevel } from './preflight/wal-level.ts'
import { walLimits } from './preflight/wal-limits.ts'
import { type MoveSituation, surveyMove } from './survey.ts'

/** The checks, in the order of their names. */
export const moveChecks: readonly MoveCheck[] = Object.freeze([
  alwaysTriggers,
  diskSpace,
  extensions,
  foreignTables,
  functionsWithoutPath,
  gates,
  generatedColumns,
  globalTables,
  largeRows,
  leftovers,
  longTransactions,
  materializedViews,
  migrationVersion,
  openOperation,
  outputPlugin,
  partitionedTables,
  primary,
  reachable,
  region,
  replicaIdentity,
  replicationRole,
  residency,
  rowFilterTypes,
  rowGuards,
  samePlace,
  sequences,
  serverVersion,
  slots,
  tableShape,
  targetRows,
  types,
  unindexedForeignKey,
  uniqueWithoutTenant,
  unloggedTables,
  unprotectedTables,
  walLevel,
  walLimits,
])

/**
 * Looks at both places with every check, and says everything that was found; those that refuse come first. A check that fails refuses:
 * what could not be looked at is not known to be right.
 *
 * Nothing is left changed. To prove that the servers reach each other, a login is made on both and dropped again.
 *
 * @param only These rules alone. Default: all.
 */
export async function preflight(situation: MoveSituation, only?: readonly string[]): Promise<readonly MoveFinding[]> {
  const survey = await surveyMove(situation)
  const checks = moveChecks.filter(({ rule }) => only === undefined || only.includes(rule))
  const answers = await Promise.all(
    checks.map(async ({ rule, level, check }): Promise<readonly MoveFinding[]> => {
      try {
        const said = await check(survey)
        return said.map(({ at, object, problem, fix, level: own }) => ({
          rule,
          level: own ?? level,
          at,
          object,
          problem,
          fix: fix ?? null,
        }))
      } catch (error) {
        return [
          { rule, level: 'refuse', at: null, object: rule, problem: `It could not be checked: ${(error as Error).message}`, fix: null },
        ]
      }
    }),
  )
  return answers.flat().sort((a, b) => Number(a.level === 'warn') - Number(b.level === 'warn'))
}

/** @throws {MoveRefusedError} when any of them refuses. `findings` in the details has all of them, the warnings too. */
export function assertMovable(findings: readonly MoveFinding[]): void {
  const refusing = findings.filter(({ level }) => level === 'refuse')
  if (refusing.length === 0) return
  const lines = refusing.map(
    ({ rule, at, object, problem, fix }) =>
      `  ${rule}: ${at === null ? '' : `${at.side} `}${object}: ${problem}${fix === null ? '' : `\n    ${fix.replaceAll('\n', '\n    ')}`}`,
  )
  throw new MoveRefusedError(`The tenant cannot be moved so:\n${lines.join('\n')}`, { details: { findings } })
}
