// Schemas for tests, as any library's are: https://standardschema.dev

import type { StandardSchema } from '../../src/core/standard-schema.ts'

/** What `check` says is wrong with a value, or nothing. */
export function schemaOf<T>(check: (value: unknown) => string | undefined): StandardSchema<T, T> {
  return {
    '~standard': {
      version: 1,
      vendor: 'partywall-test',
      validate: (value) => {
        const message = check(value)
        // What was checked is of the type that the test says.
        return message === undefined ? { value: value as T } : { issues: [{ message, path: ['input'] }] }
      },
    },
  }
}

/** Takes any value. */
export const anything = <T>(): StandardSchema<T, T> => schemaOf<T>(() => undefined)
