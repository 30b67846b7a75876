// partywall's own functions, views and triggers, compared with what installing them made, which is written down in the database; and the
// text of functions with this version's SQL files, which whoever owns the database cannot change.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ownObjects } from '../../own-objects.ts'
import { sqlFiles } from '../../sql-files.ts'
import type { DoctorCheck, Said } from '../check.ts'

export const changedInstallation: DoctorCheck = {
  stem: 'changed-installation',
  level: 'error',
  title: 'A function, view or trigger of partywall’s own was changed after it was installed',
  gain: 'The policies believe what these say: changed, they name whichever tenant the attacker likes, or let his capability live on.',
  scope: 'database',
  find: async ({ control }) => {
    const applied = await control.query<{ file: string; sha256: string }>('select m.file, m.sha256 from partywall.migrations as m')
    return await control.query<Said>(statement, [textOf(applied)])
  },
}

/** The SQL files that made the database; null where another version of partywall made it, which has other texts. */
function textOf(applied: readonly { readonly file: string; readonly sha256: string }[]): string | null {
  const files = new Map(sqlFiles(true).map(({ file, url }) => [file, readFileSync(url, 'utf8')]))
  const texts = applied.map(({ file, sha256 }) => {
    const text = files.get(file)
    return text !== undefined && createHash('sha256').update(text).digest('hex') === sha256 ? text : null
  })
  return texts.includes(null) ? null : texts.join('\n')
}

const statement = `
with found as (${ownObjects}
), bodies as (
  select format('partywall.%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) as object
    from pg_catalog.pg_proc as p
   where p.pronamespace = 'partywall'::regnamespace and p.prosqlbody is null and strpos($1::text, p.prosrc) = 0
)
select coalesce(f.object, i.object) as object,
       case when f.object is null then format('%s is missing.', i.object)
            when i.object is null then format('%s was made by somebody else in the schema that is partywall’s.', f.object)
            when b.object is not null then format('The text of %s is not that of this version’s files.', f.object)
            else format('%s was changed after it was installed.', f.object) end as problem,
       null as fix,
       case when f.object is not null and i.object is null then 'warning' else 'error' end as level
  from found as f
  full join partywall.installed_objects as i on i.object = f.object
  left join bodies as b on b.object = f.object
 where f.object is null or i.object is null or b.object is not null
    or f.digest <> i.digest
    or (f.deparsed is distinct from i.deparsed and i.server_major = current_setting('server_version_num')::integer / 10000)
 order by 1`
