// How much a server's disk has left. PostgreSQL does not know: it is asked of the machine, where that is this one.

import { statfs } from 'node:fs/promises'

export interface DiskQuestion {
  /** By its name in the catalog. */
  readonly server: string
  /** Does the server run on this machine? Otherwise the directory is another one of the same name. */
  readonly isLocal: boolean
  readonly dataDirectory: string | undefined
}

/** @returns bytes, or undefined when it cannot be told. */
export type DiskSpace = (question: DiskQuestion) => Promise<number | undefined>

/** Of servers that run on this machine, and let their directory be seen. */
export const localDiskSpace: DiskSpace = async ({ isLocal, dataDirectory }) => {
  if (!isLocal || dataDirectory === undefined) return undefined
  try {
    const { bavail, bsize } = await statfs(dataDirectory)
    return bavail * bsize
  } catch {
    return undefined
  }
}
