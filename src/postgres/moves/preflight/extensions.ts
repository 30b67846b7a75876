// Extensions that the source has, and the target has not.

import { inDatabase, type MoveCheck, onServer } from '../check.ts'

interface Extension {
  readonly name: string
  readonly version: string
}

export const extensions: MoveCheck = {
  rule: 'extensions',
  level: 'refuse',
  async check({ source, target }) {
    if (!source.isMade || target.server === undefined) return []
    const [here, there, available] = await Promise.all([
      source.query<Extension>('select e.extname::text as name, e.extversion as version from pg_catalog.pg_extension as e order by 1'),
      target.isMade
        ? target.query<Extension>('select e.extname::text as name, e.extversion as version from pg_catalog.pg_extension as e')
        : [],
      target.administer<Extension>(
        'select e.name::text as name, e.default_version as version from pg_catalog.pg_available_extensions as e',
        [],
        'postgres',
      ),
    ])
    return here
      .filter(({ name }) => !there.some((other) => other.name === name))
      .flatMap(({ name }) => {
        const object = `extension ${name}`
        if (!available.some((other) => other.name === name))
          return [
            {
              at: onServer(target),
              object,
              problem: `The source uses the extension ${name}, which the server of the target does not have: install it there.`,
            },
          ]
        // A database that is to be made gets its extensions from the migrations.
        if (!target.isMade) return []
        return [
          {
            at: { ...inDatabase(target), as: 'administrator' as const },
            level: 'warn' as const,
            object,
            problem: `The source uses the extension ${name}, and the target's database does not.`,
            fix: `create extension if not exists "${name}";`,
          },
        ]
      })
  },
}
