// rename: another slug, another name, or both. Nothing is keyed by either, so nothing moves.

import { parseTenantSlug } from '../core/tenant.ts'
import { InvalidInputError } from '../errors.ts'
import { fieldsOf, type OperationDefinition } from './operation.ts'
import { settledTenant, type TenantLife, textField } from './tenant-life.ts'

export interface RenameInput {
  readonly slug?: string | undefined
  readonly name?: string | undefined
}

export function rename(life: TenantLife): OperationDefinition<RenameInput> {
  return {
    kind: 'rename',
    givesWayTo: 'all',
    undoesRefusals: true,
    parse(input) {
      const { slug, name } = fieldsOf(input, ['slug', 'name'])
      if (slug === undefined && name === undefined) throw new InvalidInputError('Say what to rename: the slug, the name, or both.')
      return {
        ...(slug !== undefined && { slug: parseTenantSlug(slug) }),
        ...(name !== undefined && { name: textField('name', name) }),
      }
    },
    steps: ({ slug, name }) => [
      {
        name: 'rename',
        describe: `Changes ${[slug && `the slug to ${slug}`, name && `the name to ${JSON.stringify(name)}`].filter(Boolean).join(' and ')}.`,
        run: async ({ tenantId }) => {
          await settledTenant(life, tenantId)
          await life.catalog.update(tenantId, { ...(slug && { slug: parseTenantSlug(slug) }), name })
          life.onTenantChanged?.(tenantId)
          return undefined
        },
      },
    ],
    undo: () => [],
  }
}
