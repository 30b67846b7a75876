// Room at the target. PostgreSQL does not know how much its disk has left: it is asked of the machine, or said in the catalog.

import { isLocal } from '../../server-facts.ts'
import { type MoveCheck, onServer } from '../check.ts'
import { localDiskSpace } from '../disk-free.ts'
import type { MoveSurvey } from '../survey.ts'
import { totalBytes } from '../tenant-size.ts'

/** The copy is written with its log. */
const factorMin = 2
const factorWanted = 4
/** A tenant that is smaller finds room on any disk. */
const bytesUnknownMax = 1024 ** 3

export const diskSpace: MoveCheck = {
  rule: 'disk-space',
  level: 'refuse',
  async check(survey) {
    const { source, target } = survey
    if (!source.isMade || target.server === undefined) return []
    const bytes = totalBytes(await source.sizes())
    const free = await freeBytes(survey)
    const [at, object] = [onServer(target), `disk of ${target.placement.server}`]
    const size = `The tenant takes about ${megabytes(bytes)} at the source`
    if (free === undefined)
      return bytes <= bytesUnknownMax
        ? []
        : [
            {
              at,
              level: 'warn',
              object,
              problem: `${size}, and how much room the target has cannot be told. See for yourself; or give the server the label disk_bytes.`,
            },
          ]
    if (free >= factorWanted * bytes) return []
    return [
      {
        at,
        level: free < factorMin * bytes ? 'refuse' : 'warn',
        object,
        problem: `${size}, and with its log it needs about ${megabytes(factorMin * bytes)}; the target has ${megabytes(free)} left. Make room there, or choose another server.`,
      },
    ]
  },
}

/** What the machine says; else what the catalog says that the disk has, less the databases on it. */
async function freeBytes({ target, connections, diskSpace: ask = localDiskSpace }: MoveSurvey): Promise<number | undefined> {
  const { server } = target.placement
  const { hostname } = new URL(await connections.administratorUrl(server))
  const told = await ask({
    server,
    isLocal: isLocal(hostname.replace(/^\[|\]$/g, '')),
    dataDirectory: target.server?.settings['data_directory'],
  })
  if (told !== undefined) return told
  const disk = Number(target.labels['disk_bytes'] ?? Number.NaN)
  if (!Number.isFinite(disk)) return undefined
  const [used] = await target.administer<{ bytes: number }>(
    'select sum(pg_catalog.pg_database_size(d.oid))::float8 as bytes from pg_catalog.pg_database as d',
    [],
    'postgres',
  )
  return Math.max(0, disk - (used?.bytes ?? 0))
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2).toLocaleString('en-US')} MB`
}
