// Commands that lock a whole table for as long as they run.

import type { Node } from '@pgsql/types'
import type { LintRule } from './rule.ts'

export const tableLock: LintRule = {
  name: 'table-lock',
  level: 'error',
  *check({ statements, created }) {
    for (const { node, line } of statements) {
      const found = lockingCommand(node)
      if (found === undefined || (found.tables.length > 0 && found.tables.every((table) => created.has(table)))) continue
      yield {
        line,
        problem: `${found.command} keeps everybody from ${found.tables.join(', ') || 'the table'} for as long as it runs${found.loses ? ', and removes the rows of all tenants' : ''}.`,
        remedy: found.remedy,
      }
    }
  },
}

interface LockingCommand {
  readonly command: string
  readonly tables: readonly string[]
  readonly remedy: string
  readonly loses?: boolean
}

function lockingCommand(node: Node): LockingCommand | undefined {
  if ('TruncateStmt' in node) {
    return {
      command: 'TRUNCATE',
      tables: names(node.TruncateStmt.relations),
      loses: true,
      remedy: 'Delete in batches, of the tenants that you mean, outside of migrations.',
    }
  }
  if ('LockStmt' in node)
    return { command: 'LOCK TABLE', tables: names(node.LockStmt.relations), remedy: 'Leave locks to the statements that need them.' }
  if ('ClusterStmt' in node) {
    return {
      command: 'CLUSTER',
      tables: node.ClusterStmt.relation?.relname === undefined ? [] : [node.ClusterStmt.relation.relname],
      remedy: 'Use a tool that rewrites online, such as pg_repack.',
    }
  }
  if ('VacuumStmt' in node) {
    const isFull = (node.VacuumStmt.options ?? []).some((option) => 'DefElem' in option && option.DefElem.defname === 'full')
    const tables = (node.VacuumStmt.rels ?? []).flatMap((rel) =>
      'VacuumRelation' in rel ? (rel.VacuumRelation.relation?.relname ?? []) : [],
    )
    return isFull ? { command: 'VACUUM FULL', tables, remedy: 'Use VACUUM, or a tool that rewrites online, such as pg_repack.' } : undefined
  }
  if ('ReindexStmt' in node) {
    const isConcurrent = (node.ReindexStmt.params ?? []).some((param) => 'DefElem' in param && param.DefElem.defname === 'concurrently')
    return isConcurrent
      ? undefined
      : { command: 'REINDEX', tables: [], remedy: 'Write REINDEX … CONCURRENTLY, in a file without a transaction.' }
  }
  return undefined
}

function names(relations: readonly Node[] | undefined): readonly string[] {
  return (relations ?? []).flatMap((relation) => ('RangeVar' in relation ? (relation.RangeVar.relname ?? []) : []))
}
