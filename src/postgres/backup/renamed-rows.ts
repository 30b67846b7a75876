// Rows of one tenant on their way to become another's.

import type { RowStream } from '../../backup/row-source.ts'
import { type KeyedTenant, tenantKey } from '../../core/tenant-key.ts'
import { BackupInvalidError, WrongTenantError } from '../../errors.ts'
import type { ByteStream } from '../../objects/object-store.ts'
import { rewriteCopyText } from '../copy/copy-text.ts'

/**
 * The rows as another tenant's. A row that is not of the tenant whose rows they are said to be is refused: it would become the other
 * one's without a trace.
 *
 * @throws {WrongTenantError} from the stream.
 */
export async function* renamedRows(
  { table, columns, tenantColumn, tenantType, rows }: RowStream,
  { from, to }: { readonly from: KeyedTenant; readonly to: KeyedTenant },
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer, void, undefined> {
  const [before, after] = [tenantKey(from, tenantType), tenantKey(to, tenantType)]
  if (!columns.includes(tenantColumn)) throw new BackupInvalidError(`The rows of ${table} come without their column ${tenantColumn}.`)
  const rewrite = (value: string | null): string => {
    if (value === before) return after
    throw new WrongTenantError(`A row of ${table} is not the tenant’s whose it is said to be. Nothing was written.`)
  }
  yield* rewriteCopyText(buffers(rows(signal)), columns, new Map([[tenantColumn, rewrite]]))
}

async function* buffers(stream: ByteStream): AsyncGenerator<Buffer> {
  for await (const piece of stream) yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
}
