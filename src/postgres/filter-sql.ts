// A filter that has been read, as SQL. Names are the catalog's, quoted; values are always parameters.

import type { Comparison, Condition } from '../core/filter.ts'
import { InvalidInputError } from '../errors.ts'
import { quoted, type TableColumn, type TableShape } from './table-shape.ts'

/** The values of one statement, in the order of their numbers. */
export class Parameters {
  readonly values: unknown[] = []

  /** @returns the parameter's name in SQL. */
  add(value: unknown): string {
    this.values.push(value)
    return `$${this.values.length}`
  }

  /** A column's value: JSON is written here, since an array would otherwise be taken for one of PostgreSQL's. */
  addFor(column: TableColumn, value: unknown): string {
    return this.add(column.kind === 'json' && value !== null ? jsonText(value, column.name) : value)
  }
}

function jsonText(value: unknown, column: string): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    throw new InvalidInputError(`The value for ${column} is not JSON.`, { cause: error })
  }
}

const operators: Readonly<Record<Comparison, string>> = {
  eq: '=',
  ne: 'is distinct from',
  lt: '<',
  lte: '<=',
  gt: '>',
  gte: '>=',
  like: 'like',
  ilike: 'ilike',
  contains: '@>',
}

export function conditionSql(condition: Condition, shape: TableShape, parameters: Parameters): string {
  switch (condition.kind) {
    case 'and':
    case 'or': {
      if (condition.parts.length === 0) return condition.kind === 'and' ? 'true' : 'false'
      return `(${condition.parts.map((part) => conditionSql(part, shape, parameters)).join(` ${condition.kind} `)})`
    }
    case 'not':
      // What is unknown is not the case: a row with a null is not lost to both the filter and its negation.
      return `(${conditionSql(condition.part, shape, parameters)}) is not true`
    case 'null':
      return `${quoted(condition.column)} is ${condition.isNull ? 'null' : 'not null'}`
    case 'list': {
      const column = shape.columns.get(condition.column)!
      const found = `${quoted(column.name)} = any (${parameters.add(condition.values)}::${column.type}[])`
      return condition.isIn ? found : `(${found}) is not true`
    }
    case 'compare': {
      const column = shape.columns.get(condition.column)!
      return `${quoted(column.name)} ${operators[condition.operator]} ${parameters.addFor(column, condition.value)}`
    }
  }
}
