// Fills a tenant with another's rows, under a mask. A port; postgres/copy/tenant-copier.ts does it.

import type { CustomMasks, Mask } from '../core/mask.ts'
import type { PlacedTenant } from '../core/placement-adapter.ts'

/** What is copied, and how. */
export interface CopyWish {
  readonly mask: Mask
  /** Columns that look personal and have no rule are copied as they are, instead of being a refusal. */
  readonly allowsUnmasked: boolean
}

export interface CopyRowsOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((message: string) => void) | undefined
}

/** What was copied. */
export interface CopiedRows {
  /** The moment of which the rows are, in ISO 8601. */
  readonly takenAt: string
  readonly tables: readonly { readonly table: string; readonly rows: number }[]
}

export interface TenantCopier {
  /** The application's own masks. */
  readonly masks: CustomMasks
  /**
   * Judges the wish against the tables of the source, and reads no row.
   *
   * @throws {InvalidInputError} for a rule that fits no column, and for columns that look personal and have no rule.
   */
  check(source: PlacedTenant, target: Pick<PlacedTenant, 'keys'>, wish: CopyWish): Promise<void>
  /**
   * Copies all rows as of one moment: all of them, or none. The target has none before.
   *
   * @throws {InvalidInputError} as `check`. {@link ConstraintError} when values under the mask no longer fit.
   */
  copy(source: PlacedTenant, target: PlacedTenant, wish: CopyWish, options: CopyRowsOptions): Promise<CopiedRows>
}
