// The index of a tenant's files, in the tables that partywall.create_files() makes among the tenant's own.

import type { TenantContext } from '../core/tenant-context.ts'
import { ConfigurationError, FileExistsError } from '../errors.ts'
import type { FileIndex, FileIndexes, FilePage, FileQuota, FileUsage, IndexedFile } from '../resources/files/file-index.ts'
import type { FileKey } from '../resources/files/file-key.ts'
import { afterPut, assertWithin } from '../resources/files/file-quota.ts'
import type { ObjectId } from '../resources/files/object-key.ts'
import type { TenantHandle } from './tenant-handle.ts'
import type { TenantTransaction } from './transaction.ts'

/** @see FileIndexes */
export class PostgresFileIndexes implements FileIndexes {
  readonly #doors: { for(context: TenantContext): TenantHandle }

  /** @param doors a tenancy, or what opens a tenant's rows like one. */
  constructor(doors: { for(context: TenantContext): TenantHandle }) {
    this.#doors = doors
  }

  for(context: TenantContext): FileIndex {
    return new PostgresFileIndex(this.#doors.for(context))
  }
}

interface FileRow {
  readonly key: FileKey
  readonly object_id: ObjectId
  readonly region: string
  readonly bytes: string
  readonly content_type: string
  readonly sha256: Buffer
  readonly created_at: Date
}

interface UsageRow {
  readonly files: string
  readonly bytes: string
}

const columns = 'f.key, f.object_id, f.region, f.bytes, f.content_type, f.sha256, f.created_at'

class PostgresFileIndex implements FileIndex {
  readonly #handle: TenantHandle
  readonly #tenantId: string

  constructor(handle: TenantHandle) {
    this.#handle = handle
    this.#tenantId = handle.context.tenant.id
  }

  async find(key: FileKey): Promise<IndexedFile | undefined> {
    const [file] = await this.#files(`select ${columns} from stored_files as f where f.tenant_id = $1 and f.key = $2`, [key])
    return file
  }

  async page({
    prefix,
    after,
    limit,
  }: {
    readonly prefix: string
    readonly after?: FileKey | undefined
    readonly limit: number
  }): Promise<FilePage> {
    // No character of a key comes after "~", so that this is all that begins so; and it is an index condition, which LIKE is not here.
    const files = await this.#files(
      `select ${columns} from stored_files as f
        where f.tenant_id = $1 and f.key >= $2 and f.key < $3 and f.key > $4
        order by f.key
        limit $5`,
      [prefix, `${prefix}~`, after ?? '', limit + 1],
    )
    const page = files.slice(0, limit)
    return { files: page, next: files.length > limit ? page.at(-1)?.key : undefined }
  }

  async usage(): Promise<FileUsage> {
    const { rows } = await this.#answer(() =>
      this.#handle.query<UsageRow>('select u.files, u.bytes from stored_files_usage as u where u.tenant_id = $1', [this.#tenantId]),
    )
    return usageOf(rows[0])
  }

  async put(file: Omit<IndexedFile, 'createdAt'>, { ifAbsent, quota }: { readonly ifAbsent: boolean; readonly quota: FileQuota }) {
    return await this.#counting(async (tx, usage) => {
      const replaced = fileOf(
        await one<FileRow>(tx, `select ${columns} from stored_files as f where f.tenant_id = $1 and f.key = $2`, [
          this.#tenantId,
          file.key,
        ]),
      )
      if (replaced !== undefined && ifAbsent) throw new FileExistsError(`There is a file ${file.key} already.`)
      const now = afterPut(usage, file.bytes, replaced)
      assertWithin(quota, now)
      const { key, objectId, region, bytes, contentType, sha256 } = file
      const stored = await one<FileRow>(
        tx,
        `insert into stored_files as f (tenant_id, key, object_id, region, bytes, content_type, sha256)
         values ($1, $2, $3, $4, $5, $6, decode($7, 'hex'))
             on conflict on constraint stored_files_pkey
             do update set object_id = excluded.object_id, region = excluded.region, bytes = excluded.bytes,
                           content_type = excluded.content_type, sha256 = excluded.sha256, created_at = excluded.created_at
         returning ${columns}`,
        [this.#tenantId, key, objectId, region, bytes, contentType, sha256],
      )
      return { result: { file: fileOf(stored) as IndexedFile, replaced }, usage: now }
    })
  }

  async remove(key: FileKey): Promise<IndexedFile | undefined> {
    return await this.#counting(async (tx, usage) => {
      const removed = fileOf(
        await one<FileRow>(tx, `delete from stored_files as f where f.tenant_id = $1 and f.key = $2 returning ${columns}`, [
          this.#tenantId,
          key,
        ]),
      )
      const bytes = removed?.bytes ?? 0
      return { result: removed, usage: { files: usage.files - (removed === undefined ? 0 : 1), bytes: usage.bytes - bytes } }
    })
  }

  async named(ids: readonly ObjectId[]): Promise<ReadonlySet<ObjectId>> {
    if (ids.length === 0) return new Set()
    const files = await this.#files(`select ${columns} from stored_files as f where f.tenant_id = $1 and f.object_id = any ($2::uuid[])`, [
      ids,
    ])
    return new Set(files.map(({ objectId }) => objectId))
  }

  async elsewhere(region: string, limit: number): Promise<readonly IndexedFile[]> {
    return await this.#files(`select ${columns} from stored_files as f where f.tenant_id = $1 and f.region <> $2 limit $3`, [region, limit])
  }

  async relocate(file: IndexedFile, to: { readonly objectId: ObjectId; readonly region: string }): Promise<boolean> {
    const { rowCount } = await this.#handle.query(
      'update stored_files as f set object_id = $4, region = $5 where f.tenant_id = $1 and f.key = $2 and f.object_id = $3',
      [this.#tenantId, file.key, file.objectId, to.objectId, to.region],
    )
    return rowCount === 1
  }

  async recount(): Promise<FileUsage> {
    return await this.#counting(async (tx) => {
      const text = 'select count(*) as files, coalesce(sum(f.bytes), 0) as bytes from stored_files as f where f.tenant_id = $1'
      const usage = usageOf(await one<UsageRow>(tx, text, [this.#tenantId]))
      return { result: usage, usage }
    })
  }

  /** What names a file or takes its name away is counted with it: whoever comes at the same time waits for the row. */
  async #counting<T>(
    work: (tx: TenantTransaction, usage: FileUsage) => Promise<{ readonly result: T; readonly usage: FileUsage }>,
  ): Promise<T> {
    return await this.#answer(() =>
      this.#handle.transaction(
        async (tx) => {
          const row = await one<UsageRow>(
            tx,
            `insert into stored_files_usage as u (tenant_id, files, bytes) values ($1, 0, 0)
                 on conflict on constraint stored_files_usage_pkey do update set files = u.files
             returning u.files, u.bytes`,
            [this.#tenantId],
          )
          const { result, usage } = await work(tx, usageOf(row))
          await tx.query('update stored_files_usage as u set files = $2, bytes = $3 where u.tenant_id = $1', [
            this.#tenantId,
            usage.files,
            usage.bytes,
          ])
          return result
        },
        // The row that is waited for is read as it was left.
        { isolation: 'read committed' },
      ),
    )
  }

  async #files(text: string, values: readonly unknown[]): Promise<readonly IndexedFile[]> {
    const { rows } = await this.#answer(() => this.#handle.query<FileRow>(text, [this.#tenantId, ...values]))
    return rows.map((row) => fileOf(row) as IndexedFile)
  }

  /** @throws {ConfigurationError} with what mends it, when the tables are not there. */
  async #answer<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== '42P01') throw error
      throw new ConfigurationError(
        'There is no index of files where the tenant lives. Write a migration: select partywall.create_files();',
        {
          cause: error,
        },
      )
    }
  }
}

async function one<Row>(tx: TenantTransaction, text: string, values: readonly unknown[]): Promise<Row | undefined> {
  return (await tx.query<Row>(text, values)).rows[0]
}

function usageOf(row: UsageRow | undefined): FileUsage {
  return { files: Number(row?.files ?? 0), bytes: Number(row?.bytes ?? 0) }
}

function fileOf(row: FileRow | undefined): IndexedFile | undefined {
  return (
    row && {
      key: row.key,
      objectId: row.object_id,
      region: row.region,
      bytes: Number(row.bytes),
      contentType: row.content_type,
      sha256: row.sha256.toString('hex'),
      createdAt: row.created_at,
    }
  )
}
