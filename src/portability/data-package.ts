// The schema of an export, as a Data Package with a Table Schema for each table (https://datapackage.org/standard/): the standard that
// has keys and references between files, for which JSON Schema has no words.

import type { Manifest, ManifestTable } from './manifest.ts'
import type { ColumnKind, PortableColumn, PortableTable } from './portable-table.ts'

interface Describes extends Pick<Manifest, 'format' | 'tenant' | 'takenAt'> {
  readonly tables: readonly PortableTable[]
  readonly files: readonly ManifestTable[]
}

const mediaTypes = { jsonl: 'application/jsonl', csv: 'text/csv', parquet: 'application/vnd.apache.parquet' } as const

/** The descriptor, ready to be written. References to tables that are not in the export are left out, as the standard demands. */
export function dataPackage({ format, tenant, takenAt, tables, files }: Describes): object {
  const resourceNames = new Map(tables.map(({ name }, i) => [name, resourceName(name, i, tables)]))
  return {
    $schema: 'https://datapackage.org/profiles/2.0/datapackage.json',
    name: `tenant-${tenant}`,
    created: takenAt,
    resources: tables.map((table) => {
      const file = files.find(({ table: name }) => name === table.name)
      return {
        name: resourceNames.get(table.name),
        title: table.name,
        path: file?.file,
        format,
        mediatype: mediaTypes[format],
        ...(format !== 'parquet' && { encoding: 'utf-8' }),
        ...(file?.file.endsWith('.gz') === true && { compression: 'gz' }),
        bytes: file?.bytes,
        hash: `sha256:${file?.sha256}`,
        ...(format === 'csv' && { dialect: { delimiter: ',', lineTerminator: '\r\n', quoteChar: '"', doubleQuote: true, header: true } }),
        schema: tableSchema(table, resourceNames),
      }
    }),
  }
}

/** Of a resource the standard allows lower-case letters, digits and `._-`; a table's name may have anything. */
function resourceName(name: string, index: number, tables: readonly PortableTable[]): string {
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9._-]/g, '_')
  return tables.some((other, i) => i !== index && plain(other.name) === plain(name)) ? `${plain(name)}-${index + 1}` : plain(name)
}

function tableSchema({ columns, key, references }: PortableTable, resourceNames: ReadonlyMap<string, string>): object {
  const foreignKeys = references.filter(({ to }) => resourceNames.has(to))
  return {
    fields: columns.map((column) => field(column, key.includes(column.name))),
    missingValues: [''],
    ...(key.length > 0 && { primaryKey: key }),
    ...(foreignKeys.length > 0 && {
      foreignKeys: foreignKeys.map(({ columns: fields, to, referenced }) => ({
        fields,
        reference: { resource: resourceNames.get(to), fields: referenced },
      })),
    }),
  }
}

const types: Readonly<Record<ColumnKind, { readonly type: string; readonly format?: string }>> = {
  uuid: { type: 'string', format: 'uuid' },
  text: { type: 'string' },
  boolean: { type: 'boolean' },
  integer: { type: 'integer' },
  bigint: { type: 'integer' },
  numeric: { type: 'number' },
  float: { type: 'number' },
  date: { type: 'date' },
  time: { type: 'time', format: 'any' },
  timestamp: { type: 'datetime', format: 'any' },
  timestamptz: { type: 'datetime', format: 'any' },
  interval: { type: 'duration' },
  bytes: { type: 'string', format: 'binary' },
  json: { type: 'any' },
  array: { type: 'array' },
  other: { type: 'string' },
}

function field({ name, type, kind, isNullable, lengthMax, choices }: PortableColumn, isKey: boolean): object {
  const constraints = {
    ...((!isNullable || isKey) && { required: true }),
    ...(lengthMax !== undefined && { maxLength: lengthMax }),
    ...(choices !== undefined && { enum: choices }),
  }
  return {
    name,
    ...types[kind],
    // What PostgreSQL itself calls it: nothing of it is lost to somebody who has PostgreSQL too.
    'postgresql:type': type,
    ...(Object.keys(constraints).length > 0 && { constraints }),
  }
}
