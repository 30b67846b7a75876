// A kind of event: its name, and what its data looks like.

import { assertSchema, type StandardSchema } from '../../core/standard-schema.ts'
import { ConfigurationError } from '../../errors.ts'

/** A kind of event. Made by {@link tenantEvent}. */
export interface TenantEvent<Input = unknown, Parsed = Input> {
  readonly type: string
  readonly schema: StandardSchema<Input, Parsed>
  /** A URI of what the data looks like, for those who are not written in TypeScript. */
  readonly dataSchema: string | undefined
}

const typePattern = /^[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*$/

/** Can an event, or a subscriber, be called so? */
export function isEventName(name: unknown): name is string {
  return typeof name === 'string' && name.length <= 100 && typePattern.test(name)
}

/**
 * Names a kind of event.
 *
 * @param type a-z, 0-9, "-", "_" and ".", at most 100: what happened, in the past tense, as `document.created`.
 * @param schema of the data: of any library that implements Standard Schema. The data is checked when it is published and when it arrives.
 * @example
 * ```ts
 * const documentCreated = tenantEvent('document.created', z.object({ id: z.string() }))
 * await tenancy.transaction(async (tx) => {
 *   const { rows } = await tx.query('insert into documents (tenant_id, title) values ($1, $2) returning id', [tenantId, title])
 *   await tenancy.events().publish(documentCreated, { id: rows[0].id }, { tx, subject: rows[0].id })
 * })
 * ```
 *
 * @throws {ConfigurationError} for a name that cannot be, or no schema.
 */
export function tenantEvent<Input, Parsed = Input>(
  type: string,
  schema: StandardSchema<Input, Parsed>,
  options: { readonly dataSchema?: string | undefined } = {},
): TenantEvent<Input, Parsed> {
  if (!isEventName(type)) {
    throw new ConfigurationError(
      `An event cannot have the type ${JSON.stringify(type)}. Use a-z, 0-9, "-", "_" and ".", at most 100, as "document.created".`,
    )
  }
  assertSchema(schema, `Event ${type}`)
  return Object.freeze({ type, schema, dataSchema: options.dataSchema })
}
