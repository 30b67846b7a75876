// A base backup of a running server: pg_basebackup does not come with the binaries, so we copy the files between pg_backup_start() and
// pg_backup_stop() ourselves.
// https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP

import { chown, copyFile, lstat, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ControlPool } from '../../src/postgres/control-pool.ts'

const skipped = /^(postmaster\.(pid|opts)|pg_internal\.init.*|pgsql_tmp.*)$/
/** Their contents belong to the primary's run. */
const emptied = /^(pg_wal|pg_replslot|pg_dynshmem|pg_notify|pg_serial|pg_snapshots|pg_stat_tmp|pg_subtrans)$/

export interface BaseBackup {
  /** Puts a file of the server's user beside the data. */
  write(name: string, text: string): Promise<void>
}

/** Copies a server's files into `directory`, in which the embedded server starts with them. */
export async function takeBaseBackup(
  primary: ControlPool,
  { directory, password }: { readonly directory: string; readonly password: string },
): Promise<BaseBackup> {
  const [from] = await primary.query<{ directory: string }>(`select current_setting('data_directory') as directory`)
  const owner = await lstat(from!.directory)
  const data = join(directory, 'postgres')
  const write = async (name: string, text: string): Promise<void> => {
    await writeFile(join(data, name), text, { mode: 0o600 })
    await chown(join(data, name), owner.uid, owner.gid)
  }
  // The backup is the session's: it ends with it.
  const session = await primary.dedicated()
  try {
    await session.query(`select pg_backup_start('test', true)`)
    await copyTree(from!.directory, data, owner)
    const { rows } = await session.query<{ label: string }>('select labelfile as label from pg_backup_stop(false)')
    await write('backup_label', rows[0]!.label)
    await chown(directory, owner.uid, owner.gid)
    await writeFile(join(directory, 'superuser-password'), `${password}\n`, { mode: 0o600 })
  } finally {
    await session.end()
  }
  return { write }
}

/** What vanishes while we copy was dropped, and the log says so. */
async function copyTree(from: string, to: string, owner: { readonly uid: number; readonly gid: number }): Promise<void> {
  await mkdir(to, { mode: 0o700 })
  await chown(to, owner.uid, owner.gid)
  for (const entry of await readdir(from, { withFileTypes: true }).catch(() => [])) {
    if (skipped.test(entry.name)) continue
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (emptied.test(entry.name)) {
      await mkdir(target, { mode: 0o700 })
      await chown(target, owner.uid, owner.gid)
    } else if (entry.isDirectory()) {
      await copyTree(source, target, owner)
    } else if (entry.isFile()) {
      const isThere = await copyFile(source, target).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'ENOENT') return false
          throw error
        },
      )
      if (isThere) await chown(target, owner.uid, owner.gid)
    }
  }
}
