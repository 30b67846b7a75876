// Values for rows that say whose they are: a mark wherever text can stand, something of one's own wherever it cannot. For each column
// there are several candidates, in the order in which they are tried, because a check may refuse the first.

import { createHash, randomBytes, randomInt, randomUUID } from 'node:crypto'
import type { SurveyedColumn, SurveyedTable } from './survey.ts'

const dayMs = 86_400_000

/** Candidates for a column of one row, as text that PostgreSQL reads. Null stands for NULL. */
export function candidatesFor(table: SurveyedTable, column: SurveyedColumn, mark: string): readonly (string | null)[] {
  const checks = table.checks.filter(({ columns }) => columns.includes(column.name))
  const allowed = checks.flatMap(({ text }) => [...text.matchAll(/'((?:[^']|'')*)'/g)].map(([, word = '']) => word.replaceAll("''", "'")))
  const numbers = checks.flatMap(({ text }) => [...text.matchAll(/(?<![\w.])-?\d+(?:\.\d+)?/g)].map(([number]) => number))
  const single = column.labels ?? [...ofType(column, mark, numbers), ...allowed]
  const values = column.isArray ? single.map((value) => `{${JSON.stringify(value)}}`) : single
  const cut = column.lengthMax === null ? values : values.map((value) => shortened(value, column.lengthMax as number))
  return column.isNullable ? [...cut, null] : cut
}

/** What is too long is told from another by its digest: cut off, two tenants' marks would be one. */
function shortened(value: string, lengthMax: number): string {
  return value.length <= lengthMax ? value : createHash('sha256').update(value).digest('hex').slice(0, lengthMax)
}

function ofType(column: SurveyedColumn, mark: string, numbers: readonly string[]): readonly string[] {
  const moment = new Date(Date.UTC(2020, 0, 1) + randomInt(1, 2_000) * dayMs + randomInt(dayMs))
  const day = moment.toISOString().slice(0, 10)
  switch (column.base) {
    case 'text':
    case 'character varying':
    case 'character':
    case 'name':
    case 'citext':
      return texts(column.name, mark)
    case 'uuid':
      return [randomUUID()]
    case 'smallint':
      return [String(randomInt(1_000, 30_000)), ...around(numbers), '1', '0']
    case 'integer':
    case 'bigint':
      return [String(randomInt(10_000_000, 2_000_000_000)), ...around(numbers), '1', '0']
    case 'numeric':
    case 'real':
    case 'double precision':
    case 'money':
      return [String(randomInt(100_000, 999_999)), '12.34', ...around(numbers), '1', '0', '0.5']
    case 'boolean':
      return ['true', 'false']
    case 'date':
      return [day]
    case 'timestamp without time zone':
    case 'timestamp with time zone':
      return [moment.toISOString()]
    case 'time without time zone':
    case 'time with time zone':
      return ['12:34:56+00']
    case 'interval':
      return [`${randomInt(1, 1_000)} minutes`]
    case 'json':
    case 'jsonb':
      return [JSON.stringify({ mark }), '{}', '[]', JSON.stringify(mark)]
    case 'bytea':
      // A digest is what bytes of a fixed length mostly are.
      return [`\\x${Buffer.from(mark).toString('hex')}`, `\\x${createHash('sha256').update(mark).digest('hex')}`]
    case 'inet':
    case 'cidr':
      return [`10.${randomInt(256)}.${randomInt(256)}.${randomInt(256)}`]
    case 'macaddr':
      return [
        randomBytes(6)
          .toString('hex')
          .replace(/..(?!$)/g, '$&:'),
      ]
    case 'tsvector':
      return [`'${mark}'`]
    case 'xml':
      return [`<m>${mark}</m>`]
    case 'int4range':
    case 'int8range':
    case 'numrange':
      return [range(randomInt(1, 1_000_000))]
    case 'daterange':
    case 'tsrange':
    case 'tstzrange':
      return [`[${day},${new Date(moment.getTime() + dayMs).toISOString().slice(0, 10)})`]
    case 'point':
      return [`(${randomInt(1_000)},${randomInt(1_000)})`]
    default:
      return [mark]
  }
}

/** The column's name often says what a check would. */
function texts(column: string, mark: string): readonly string[] {
  const plain = [mark, `${mark}@example.test`, `https://example.test/${mark}`, mark.replaceAll('-', '_'), mark.toUpperCase()]
  const short = [mark.slice(-2).toUpperCase(), 'EUR', 'en', 'A', '#a1b2c3', '+4930123456', '00000']
  const first = /mail/.test(column) ? plain[1] : /url|link|website/.test(column) ? plain[2] : undefined
  return first === undefined ? [...plain, ...short] : [first, ...plain, ...short]
}

/** What a check compares with is refused or allowed; one beside it is the other. */
function around(numbers: readonly string[]): readonly string[] {
  return numbers.flatMap((text) => {
    const number = Number(text)
    return [text, String(number + 1), String(number - 1)]
  })
}

function range(from: number): string {
  return `[${from},${from + 1})`
}
