// Transactions that have been open for long, in any database of the two servers: a slot is made when all that have written are over.

import { type MoveCheck, onEachServer, type Said } from '../check.ts'

const ageDefaultMs = 5_000
/** A transaction of this age is not slow, but forgotten. */
const ageForgottenMs = 300_000

interface Open {
  readonly pid: number | null
  readonly prepared: string | null
  readonly user: string | null
  readonly database: string | null
  readonly application: string | null
  readonly state: string | null
  readonly ageMs: number
}

export const longTransactions: MoveCheck = {
  rule: 'long-transactions',
  level: 'refuse',
  check: (survey) => {
    const ageMs = survey.transactionAgeMs ?? ageDefaultMs
    return onEachServer(survey, async (place, isBoth) => {
      const databases = isBoth ? [survey.source.databaseName, survey.target.databaseName] : [place.databaseName]
      // One that has only read is not waited for by slots; in the two databases it holds locks that tables are attached behind.
      const open = await place.administer<Open>(
        `select a.pid, null as prepared, a.usename::text as user, a.datname::text as database, a.application_name as application, a.state,
                (extract(epoch from clock_timestamp() - a.xact_start) * 1000)::float8 as "ageMs"
           from pg_catalog.pg_stat_activity as a
          where a.xact_start < clock_timestamp() - $1 * interval '1 millisecond'
            and a.pid <> pg_catalog.pg_backend_pid()
            and (a.backend_xid is not null or (a.backend_type = 'client backend' and a.datname = any ($2)))
          union all
         select null, p.gid, p.owner::text, p.database::text, null, 'prepared', (extract(epoch from clock_timestamp() - p.prepared) * 1000)::float8
           from pg_catalog.pg_prepared_xacts as p
          where p.prepared < clock_timestamp() - $1 * interval '1 millisecond'
          order by 7 desc`,
        [ageMs, databases.filter((name) => name !== undefined)],
        'postgres',
      )
      return open.map(tell)
    })
  },
}

function tell({ pid, prepared, user, database, application, state, ageMs }: Open): Said {
  const who = `${user ?? 'nobody'} in ${database ?? 'no database'}${application ? ` (${application})` : ''}`
  const since = `${Math.round(ageMs / 1000)} s`
  if (prepared !== null)
    return {
      object: `prepared transaction ${JSON.stringify(prepared)}`,
      problem: `Prepared by ${who} ${since} ago: slots wait for it, and it does not end by itself. Commit it or roll it back in that database.`,
    }
  return {
    level: ageMs < ageForgottenMs ? 'warn' : undefined,
    object: `process ${pid}`,
    problem: `A transaction of ${who} has been open for ${since} (${state ?? 'unknown'}): the move waits until it is over.`,
    fix: `select pg_catalog.pg_terminate_backend(${pid}, 5000);`,
  }
}
