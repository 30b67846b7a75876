// replace: all rows of a tenant give way to those of a backup, in one transaction. What was there is backed up in the same moment in
// which nobody can write, so that another replacement, by that backup, is the way back.

import type { Json } from '../core/tenant.ts'
import { ConfigurationError } from '../errors.ts'
import { fieldsOf, type OperationDefinition } from './operation.ts'
import type { TenantFiller } from './tenant-filler.ts'
import { existing, placed, settledTenant, type TenantLife, textField } from './tenant-life.ts'

export interface ReplaceInput {
  /** Whose rows come: what the filler knows them by. */
  readonly contents: string
}

export function replace(life: TenantLife): OperationDefinition<ReplaceInput> {
  return {
    kind: 'replace',
    givesWayTo: [],
    undoesRefusals: true,
    parse(input) {
      const { contents } = fieldsOf(input, ['contents'])
      return { contents: textField('contents', contents) }
    },
    steps: ({ contents }) => [
      {
        name: 'check',
        describe: `Makes sure that the tenant is neither being set up nor being off-boarded, and that ${contents} can be opened.`,
        isLight: true,
        run: async ({ tenantId }) => {
          await settledTenant(life, tenantId)
          await fillerOf(life).check(contents)
          return undefined
        },
      },
      {
        name: 'replace',
        describe: `Backs the tenant up while nobody writes, and puts the rows of ${contents} in the place of its own, in one transaction.`,
        run: async ({ tenantId, signal, progress }) => {
          const tenant = placed(await existing(life, tenantId))
          return (await fillerOf(life).replace(tenant, contents, { signal, onProgress: progress })) as unknown as Json
        },
      },
      {
        name: 'announce',
        describe: 'Counts the tenant’s epoch on: what was derived from its rows is stale.',
        run: async ({ tenantId }) => {
          const { name } = await existing(life, tenantId)
          await life.catalog.update(tenantId, { name })
          life.onTenantChanged?.(tenantId)
          return undefined
        },
      },
    ],
    undo: () => [
      {
        name: 'undo-replace',
        describe: 'Lets writes go on as before. Rows that were replaced come back by a replacement with the backup that was made of them.',
        run: async ({ tenantId }) => {
          await fillerOf(life).release(placed(await existing(life, tenantId)))
          return undefined
        },
      },
    ],
  }
}

function fillerOf({ filler }: TenantLife): TenantFiller {
  if (filler !== undefined) return filler
  throw new ConfigurationError('This installation has no store of backups.')
}
