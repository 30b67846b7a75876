// Oracles: not the row, but whether it is there, told by an error, a count, a plan.

import { randomUUID } from 'node:crypto'
import { quoted } from '../../../postgres/table-shape.ts'
import type { Attempt, Mutation, SqlAttack } from '../attack.ts'
import { exclusionWithoutTenant, indexWithoutTenant, referenceWithoutTenant, uniqueWithoutTenant } from '../mutations.ts'
import type { Row } from '../seed.ts'
import type { IsolationStage } from '../stage.ts'
import { inserted, keyColumns, literal, type TableTarget } from '../target.ts'

/** Errors that say that a value is taken. */
const taken = ['23505', '23P01']

function oracle(
  id: string,
  tries: string,
  mutation: Mutation,
  plan: (target: TableTarget, stage: IsolationStage) => Attempt | string,
): SqlAttack {
  return { id: `oracle.${id}`, tries, on: 'protected', mutation, plan }
}

/** A row of one's own with the victim's values in all unique keys. Only its own tenant's columns and references stay. */
function withKeysOfVictim(target: TableTarget): Row | string {
  const { table, victimRow, ownRow, ownRows } = target
  const free = keyColumns(target).filter((name) => !table.references.some(({ columns }) => columns.includes(name)))
  if (free.length === 0) return 'its keys have no column of their own'
  // What is one's own value too says nothing of the victim's.
  const isShared = table.keys.some(({ columns }) => {
    const told = columns.filter((name) => name !== table.tenantColumn)
    return told.length > 0 && ownRows.some((row) => told.every((name) => row[name] === (free.includes(name) ? victimRow : ownRow)[name]))
  })
  if (isShared) return 'the attacker has the values of one of its keys itself'
  return Object.fromEntries(free.map((name) => [name, victimRow[name]]))
}

function insertion(target: TableTarget, suffix: string, rest: Partial<Attempt>): Attempt | string {
  const keys = withKeysOfVictim(target)
  return typeof keys === 'string' ? keys : { statements: [`${inserted(target, target.ownRow, keys)}${suffix}`], tells: taken, ...rest }
}

/** A reference to a parent: the victim's, and one that nobody has. */
function references({ table }: TableTarget, stage: IsolationStage) {
  return table.references.flatMap(({ columns, toColumns, to }) => {
    const parent = stage.targets.find((each) => each.table.oid === to && each.table.status === 'protected')
    const at = columns.findIndex((name) => name !== table.tenantColumn)
    const column = table.columns.find(({ name }) => name === columns[at])
    if (parent === undefined || column?.base !== 'uuid') return []
    return [{ column, theirs: parent.victimRow[toColumns[at] ?? ''], parent }]
  })
}

/** Sets the reference of one's own rows. The victim's parent must be as unknown as one that does not exist. */
function referring(target: TableTarget, stage: IsolationStage, form: (column: string, value: string) => string): Attempt | string {
  const [reference] = references(target, stage)
  if (reference === undefined) return 'it refers to no table behind the wall'
  const column = quoted(reference.column.name)
  return {
    statements: [form(column, literal(reference.theirs))],
    control: [form(column, literal(randomUUID()))],
    isForbidden: true,
    refusals: ['23503'],
  }
}

/** Asks plans about a value of the victim's and about one that nobody has, through whatever index there is: they must look alike. */
function compared(command: (target: TableTarget, where: string) => string) {
  return (target: TableTarget): Attempt | string => {
    const { telling, victimRow } = target
    if (telling === undefined) return 'no column tells the victim’s rows from the attacker’s'
    const nobodys = strange(telling.base)
    if (nobodys === undefined) return `a ${telling.type} that nobody has cannot be made up`
    const explained = (value: unknown): readonly string[] => [
      'set local enable_seqscan = off',
      `explain (analyze, format json, timing off, costs off, summary off, buffers off) ${command(target, `${quoted(telling.name)} = ${literal(value)}::${telling.type}`)}`,
    ]
    const theirs = victimRow[telling.name]
    return { statements: explained(theirs), control: explained(nobodys), hides: [String(theirs), nobodys] }
  }
}

function strange(base: string): string | undefined {
  if (base === 'uuid') return randomUUID()
  if (base === 'text' || base === 'character varying' || base === 'citext') return `nobody-${randomUUID()}`
  return base === 'integer' || base === 'bigint' ? '1999999999' : undefined
}

/** Attacks that ask whether something of the victim's exists. */
export const oracles: readonly SqlAttack[] = [
  oracle('unique-insert', 'insert a row of one’s own under the victim’s keys', uniqueWithoutTenant, (target) => insertion(target, '', {})),
  oracle('unique-silent', 'the same, and see whether it was silently left out', uniqueWithoutTenant, (target) =>
    insertion(target, ' on conflict do nothing returning 1', {
      judge: ({ code, count }) =>
        code === undefined && count === 0 ? 'its row was left out for a key that only the victim has' : undefined,
    }),
  ),
  oracle('unique-update', 'give one of one’s own rows the victim’s keys', uniqueWithoutTenant, (target) => {
    const keys = withKeysOfVictim(target)
    const { telling, ownRow } = target
    if (typeof keys === 'string') return keys
    if (telling === undefined) return 'no column tells one row of it from another'
    const set = Object.entries(keys).map(([name, value]) => `${quoted(name)} = ${value === null ? 'null' : literal(value)}`)
    return {
      // One row: two of one's own under the same key would be told so for their own sake.
      statements: [`update ${target.sql} set ${set.join(', ')} where ${quoted(telling.name)}::text = ${literal(ownRow[telling.name])}`],
      tells: taken,
      refusals: ['23503'],
    }
  }),
  oracle('unique-savepoint', 'insert under the victim’s keys, in a savepoint that is rolled back', uniqueWithoutTenant, (target) => {
    const keys = withKeysOfVictim(target)
    if (typeof keys === 'string') return keys
    return { statements: ['savepoint kit', inserted(target, target.ownRow, keys), 'rollback to savepoint kit'], tells: taken }
  }),
  oracle(
    'exclusion',
    'insert a row that an exclusion constraint could hold against one of the victim’s',
    exclusionWithoutTenant,
    (target) => insertion(target, '', {}),
  ),
  oracle('reference-update', 'let one’s own rows refer to a row of the victim', referenceWithoutTenant, (target, stage) =>
    referring(target, stage, (column, value) => `update ${target.sql} set ${column} = ${value}`),
  ),
  oracle('reference-insert', 'insert a row that refers to a row of the victim', referenceWithoutTenant, (target, stage) => {
    const [reference] = references(target, stage)
    if (reference === undefined) return 'it refers to no table behind the wall'
    const fresh = Object.fromEntries(
      keyColumns(target).map((name) => [
        name,
        target.table.columns.find((each) => each.name === name)?.base === 'uuid' ? randomUUID() : `${randomUUID()}@example.test`,
      ]),
    )
    const form = (value: unknown): string => inserted(target, target.ownRow, { ...fresh, [reference.column.name]: value })
    return { statements: [form(reference.theirs)], control: [form(randomUUID())], isForbidden: true, refusals: ['23503'] }
  }),
  oracle('reference-block', 'ask in a code block which references exist', referenceWithoutTenant, (target, stage) =>
    referring(target, stage, (column, value) => `do $kit$ begin update ${target.sql} set ${column} = ${value}; end $kit$`),
  ),
  oracle('reference-deferred', 'let them refer, with constraints deferred', referenceWithoutTenant, (target, stage) =>
    referring(target, stage, (column, value) => `set constraints all immediate; update ${target.sql} set ${column} = ${value}`),
  ),
  oracle(
    'plan-select',
    'whether the plan for a value that the victim has differs from that for one that nobody has',
    indexWithoutTenant,
    compared(({ sql }, where) => `select * from ${sql} where ${where}`),
  ),
  oracle(
    'plan-count',
    'the same of a count',
    indexWithoutTenant,
    compared(({ sql }, where) => `select count(*) from ${sql} where ${where}`),
  ),
  oracle(
    'plan-exists',
    'the same of EXISTS',
    indexWithoutTenant,
    compared(({ sql }, where) => `select exists (select from ${sql} where ${where})`),
  ),
  oracle(
    'plan-update',
    'the same of a change',
    indexWithoutTenant,
    compared(({ sql, tenant }, where) => `update ${sql} set ${tenant} = ${tenant} where ${where}`),
  ),
  oracle(
    'plan-delete',
    'the same of a deletion',
    indexWithoutTenant,
    compared(({ sql }, where) => `delete from ${sql} where ${where}`),
  ),
]
