// Rules and columns brought together: every rule has its column, and every column that looks personal its rule, or it is refused.

import { InvalidInputError } from '../errors.ts'
import { type CustomMasks, type Mask, type MaskRule, toldRule } from './mask.ts'
import { type MaskedColumn, misfitOf } from './mask-values.ts'
import { looksPersonal } from './personal-columns.ts'

/** A column of a table that is copied. */
export interface MaskableColumn extends MaskedColumn {
  /** It says whose the row is, or PostgreSQL computes it: no rule can have it. */
  readonly isFixed: boolean
}

/** Column by column, from the table that refers to the one that is referred to, as `table.column`. */
export interface ColumnReference {
  readonly from: string
  readonly to: string
}

export interface MaskWish {
  readonly mask: Mask
  readonly allowsUnmasked: boolean
  readonly masks: CustomMasks
}

/**
 * @returns the rule of each column that has one other than `keep`, by `table.column`.
 * @throws {InvalidInputError} with everything that is wrong, and what to add.
 */
export function maskPlan(
  columns: readonly MaskableColumn[],
  references: readonly ColumnReference[],
  { mask, allowsUnmasked, masks }: MaskWish,
): ReadonlyMap<string, MaskRule> {
  const byName = new Map(columns.map((column) => [nameOf(column), column]))
  const problems: string[] = []
  for (const [name, rule] of Object.entries(mask)) {
    const column = byName.get(name)
    const misfit =
      column === undefined
        ? 'there is no such column in the tables of the tenant'
        : column.isFixed && rule !== 'keep'
          ? 'it is the tenant’s column, or computed from others'
          : misfitOf(rule, column, masks)
    if (misfit !== undefined) problems.push(`The rule of ${name} does not fit: ${misfit}.`)
  }
  const ruleOf = (name: string): MaskRule => mask[name] ?? 'keep'
  for (const { from, to } of references) {
    const [here, there] = [ruleOf(from), ruleOf(to)]
    if (here === 'null' || JSON.stringify(here) === JSON.stringify(there)) continue
    problems.push(`${from} refers to ${to}: the rules ${toldRule(here)} and ${toldRule(there)} would part them. Give both the same.`)
  }
  const open = columns.filter(
    (column) => !column.isFixed && !Object.hasOwn(mask, nameOf(column)) && looksPersonal(column.column, column.type),
  )
  if (!allowsUnmasked && open.length > 0) problems.push(unmaskedText(open.map(nameOf)))
  if (problems.length > 0) {
    throw new InvalidInputError(problems.join('\n'), { details: { unmasked: allowsUnmasked ? [] : open.map(nameOf) } })
  }
  return new Map(Object.entries(mask).filter(([, rule]) => rule !== 'keep'))
}

export function nameOf({ table, column }: Pick<MaskableColumn, 'table' | 'column'>): string {
  return `${table}.${column}`
}

function unmaskedText(names: readonly string[]): string {
  return (
    `These columns look personal and have no rule: ${names.join(', ')}. Give each a rule in the mask, such as ` +
    `{ ${JSON.stringify(names[0])}: "hash" }; or name those that may be copied as they are: --unmasked ${names.join(',')} ` +
    '(in a program: the rule "keep"); or allow all of them: --allow-unmasked (allowUnmasked).'
  )
}
