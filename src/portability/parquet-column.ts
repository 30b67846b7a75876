// What a column is in a Parquet file, and its values there and back. https://github.com/apache/parquet-format/blob/master/LogicalTypes.md

import type { SchemaElement } from 'hyparquet'
import { InvalidInputError } from '../errors.ts'
import type { PortableColumn } from './portable-table.ts'

/** A value as the writer takes it and the reader gives it. */
export type ParquetValue = string | number | bigint | boolean | Uint8Array | null | undefined

export interface ParquetColumn {
  readonly element: SchemaElement
  /** @throws {InvalidInputError} for a value that Parquet does not have. */
  write(text: string): ParquetValue
  read(value: ParquetValue): string
}

const dayMs = 86_400_000
const bytes = new TextEncoder()

/** Chooses the type. What Parquet has no type for is text, as PostgreSQL writes it. */
export function parquetColumn(column: PortableColumn): ParquetColumn {
  const { name, kind, precision, scale } = column
  const optional = { name, repetition_type: 'OPTIONAL' } as const
  const refuse = (text: string): never => {
    throw new InvalidInputError(`${name} has ${text}, for which Parquet has no value in a ${column.type}. Export it as jsonl or csv.`)
  }
  const plain = (
    element: Omit<SchemaElement, 'name'>,
    write: ParquetColumn['write'],
    read: ParquetColumn['read'] = String,
  ): ParquetColumn => ({
    element: { ...optional, ...element },
    write,
    read,
  })
  switch (kind) {
    case 'uuid':
      return plain({ type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, logical_type: { type: 'UUID' } }, (text) => text)
    case 'boolean':
      return plain({ type: 'BOOLEAN' }, (text) => text === 'true')
    case 'integer':
      return plain({ type: 'INT32' }, Number)
    case 'bigint':
      return plain({ type: 'INT64' }, BigInt)
    case 'float':
      return plain({ type: 'DOUBLE' }, Number)
    case 'numeric':
      return precision !== undefined && precision <= 18 && scale !== undefined && scale >= 0 && scale <= precision
        ? plain(
            { type: 'INT64', converted_type: 'DECIMAL', precision, scale },
            (text) => (/^-?[0-9.]+$/.test(text) ? unscaled(text, scale) : refuse(text)),
            (value) => scaled(value as bigint, scale),
          )
        : textColumn(optional)
    case 'date':
      return plain(
        { type: 'INT32', converted_type: 'DATE' },
        (text) => dayOf(text) ?? refuse(text),
        (value) => dateText(Number(value)),
      )
    case 'timestamp':
    case 'timestamptz': {
      const isAdjustedToUTC = kind === 'timestamptz'
      return plain(
        // The older name says UTC, so that a time without a zone must not have it.
        {
          type: 'INT64',
          logical_type: { type: 'TIMESTAMP', isAdjustedToUTC, unit: 'MICROS' },
          ...(isAdjustedToUTC && { converted_type: 'TIMESTAMP_MICROS' }),
        },
        (text) => microsOf(text) ?? refuse(text),
        (value) => timestampText(value as bigint, isAdjustedToUTC),
      )
    }
    case 'bytes':
      return plain(
        { type: 'BYTE_ARRAY' },
        (text) => Buffer.from(text, 'base64'),
        (value) => Buffer.from(value as Uint8Array).toString('base64'),
      )
    case 'json':
    case 'array':
      // As bytes, so that the writer does not parse it: its numbers would lose digits.
      return {
        ...textColumn(optional),
        element: { ...optional, type: 'BYTE_ARRAY', logical_type: { type: 'JSON' } },
        write: (text) => bytes.encode(text),
      }
    default:
      return textColumn(optional)
  }
}

function textColumn(optional: Pick<SchemaElement, 'name' | 'repetition_type'>): ParquetColumn {
  const read = (value: ParquetValue): string => (typeof value === 'string' ? value : Buffer.from(value as Uint8Array).toString())
  return { element: { ...optional, type: 'BYTE_ARRAY', converted_type: 'UTF8' }, write: (text) => text, read }
}

function unscaled(text: string, scale: number): bigint {
  const [whole = '0', fraction = ''] = text.split('.')
  return BigInt(whole + fraction.padEnd(scale, '0'))
}

function scaled(value: bigint, scale: number): string {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  return value < 0n ? `-${text}` : text
}

/** Days since 1970, in the calendar that PostgreSQL uses (the Gregorian, also before it was). Undefined for infinity. */
function dayOf(text: string): number | undefined {
  const [, year, month, day, era] = /^(\d{4,})-(\d\d)-(\d\d)(?:[T ]\d.*?)?( BC)?$/.exec(text) ?? []
  if (year === undefined) return undefined
  const time = new Date(0).setUTCFullYear(era === undefined ? Number(year) : 1 - Number(year), Number(month) - 1, Number(day))
  return Number.isNaN(time) ? undefined : time / dayMs
}

function microsOf(text: string): bigint | undefined {
  const day = dayOf(text)
  const [, hours, minutes, seconds, fraction = ''] =
    /[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:Z|\+00(?::?00)?)?(?: BC)?$/.exec(text) ?? []
  if (day === undefined || hours === undefined) return undefined
  const clock = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)
  const micros = (BigInt(day) * 86_400n + BigInt(clock)) * 1_000_000n + BigInt(fraction.padEnd(6, '0'))
  return micros === BigInt.asIntN(64, micros) ? micros : undefined
}

function dateText(day: number): string {
  const date = new Date(day * dayMs)
  const year = date.getUTCFullYear()
  const two = (value: number): string => String(value).padStart(2, '0')
  const text = `${String(year > 0 ? year : 1 - year).padStart(4, '0')}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`
  return year > 0 ? text : `${text} BC`
}

function timestampText(micros: bigint, isAdjustedToUTC: boolean): string {
  const dayMicros = BigInt(dayMs) * 1000n
  const within = ((micros % dayMicros) + dayMicros) % dayMicros
  const [date, era = ''] = dateText(Number((micros - within) / dayMicros)).split(' ')
  const clock = new Date(Number(within / 1000n)).toISOString().slice(11, 23)
  const text = `${date}T${clock}${String(within % 1000n).padStart(3, '0')}${isAdjustedToUTC ? '+00:00' : ''}`
  return era === '' ? text : `${text} ${era}`
}
