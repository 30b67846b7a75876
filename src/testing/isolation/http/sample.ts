// A body that a route accepts, made of its schema.

import { randomUUID } from 'node:crypto'
import type { Schema } from './routes.ts'

/** What an id in a body is to be. Undefined leaves it out, where it may be left out. */
export type IdOf = (name: string) => string | undefined

/** Required properties, and those that are no ids. */
export function sampleOf(schema: Schema | undefined, mark: string, idOf: IdOf = () => undefined): unknown {
  return schema === undefined ? {} : sampleValue(schema, mark, '', idOf)
}

/** Names of properties that look like references. */
export function idsIn(schema: Schema | undefined): readonly string[] {
  return Object.entries(mergedProperties(schema)).flatMap(([name, property]) => (isId(name, property) ? [name] : []))
}

function isId(name: string, schema: Schema): boolean {
  const variants = [schema, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]
  return (
    /(^|[a-z_])id$/i.test(name) &&
    variants.some(({ type }) => type === undefined || type === 'string' || type === 'integer' || Array.isArray(type))
  )
}

function mergedProperties(schema: Schema | undefined): Readonly<Record<string, Schema>> {
  if (schema === undefined) return {}
  return Object.assign({}, ...(schema.allOf ?? []).map(mergedProperties), schema.properties) as Readonly<Record<string, Schema>>
}

function sampleValue(schema: Schema, mark: string, name: string, idOf: IdOf): unknown {
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return schema.enum[0]
  const variant = (schema.anyOf ?? schema.oneOf)?.find(({ type }) => type !== 'null')
  if (variant !== undefined) return sampleValue(variant, mark, name, idOf)
  const properties = mergedProperties(schema)
  if (schema.allOf !== undefined && Object.keys(properties).length === 0)
    return sampleValue(Object.assign({}, ...schema.allOf) as Schema, mark, name, idOf)
  const [type] = [schema.type ?? (Object.keys(properties).length > 0 ? 'object' : 'string')].flat()
  switch (type) {
    case 'object':
      return Object.fromEntries(
        Object.entries(properties).flatMap(([key, property]) => {
          if (!isId(key, property)) return [[key, sampleValue(property, mark, key, idOf)]]
          const id = idOf(key) ?? (schema.required?.includes(key) ? randomUUID() : undefined)
          return id === undefined ? [] : [[key, id]]
        }),
      )
    case 'array':
      return []
    case 'integer':
    case 'number':
      return schema.minimum ?? 1
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      return textOf(schema, mark)
  }
}

function textOf({ format, minLength = 0, maxLength = 10_000 }: Schema, mark: string): string {
  const text =
    format === 'email'
      ? `${mark}@example.test`
      : format === 'uuid'
        ? randomUUID()
        : format === 'date-time'
          ? '2026-01-01T00:00:00Z'
          : format === 'date'
            ? '2026-01-01'
            : mark
  return text.padEnd(minLength, 'x').slice(0, maxLength)
}
