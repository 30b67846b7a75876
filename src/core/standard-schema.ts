// Schemas of whatever library the application has: Zod, Valibot, ArkType and others implement https://standardschema.dev, version 1.

import { ConfigurationError, InvalidInputError } from '../errors.ts'

/** What a schema of such a library has. `Output` is what comes out of it, with defaults and transformations applied. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

type SchemaResult<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] }

interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

const issuesToldMax = 10

/** @throws {ConfigurationError} when it is no schema. */
export function assertSchema(schema: unknown, what: string): void {
  const standard = typeof schema === 'object' || typeof schema === 'function' ? (schema as StandardSchema | null)?.['~standard'] : undefined
  if (standard?.version === 1 && typeof standard.validate === 'function') return
  throw new ConfigurationError(`${what} needs a schema that implements Standard Schema, version 1: Zod, Valibot and ArkType do.`)
}

/**
 * What the schema makes of a value.
 *
 * @throws {InvalidInputError} with where it is wrong and why; never with the value, which may be personal.
 */
export async function validated<Output>(schema: StandardSchema<unknown, Output>, value: unknown, what: string): Promise<Output> {
  const result = await schema['~standard'].validate(value)
  if (result.issues === undefined) return result.value
  const told = result.issues.slice(0, issuesToldMax).map(({ path = [], message }) => `${placeOf(path)}: ${message}`)
  throw new InvalidInputError(`${what} is not what its schema says. ${told.join('; ')}`)
}

function placeOf(path: NonNullable<SchemaIssue['path']>): string {
  return path.length === 0 ? 'the whole' : path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
}
