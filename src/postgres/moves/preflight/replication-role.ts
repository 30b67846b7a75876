// Whether the administrators may make the login that a move replicates with.

import { roles } from '../../roles.ts'
import { quoted } from '../../table-shape.ts'
import { type MoveCheck, onEachServer } from '../check.ts'

const granted = [roles.owner, 'pg_create_subscription', 'pg_read_all_stats', 'pg_signal_backend']

interface Administrator {
  readonly name: string
  readonly isSuperuser: boolean
  readonly createrole: boolean
  readonly replication: boolean
  readonly bypassrls: boolean
  /** Roles that it may not give to others. */
  readonly missing: readonly string[]
}

export const replicationRole: MoveCheck = {
  rule: 'replication-role',
  level: 'refuse',
  check: (survey) =>
    onEachServer(survey, async (place) => {
      const [admin] = await place.administer<Administrator>(
        `select r.rolname::text as name, r.rolsuper as "isSuperuser", r.rolcreaterole as createrole, r.rolreplication as replication, r.rolbypassrls as bypassrls,
                array(
                  select g.role from unnest($1::text[]) as g (role)
                   where not exists (
                           select from pg_catalog.pg_auth_members as m
                             join pg_catalog.pg_roles as given on given.oid = m.roleid
                            where given.rolname = g.role and m.member = r.oid and m.admin_option
                         )
                ) as missing
           from pg_catalog.pg_roles as r
          where r.rolname = current_user`,
        [granted],
        'postgres',
      )
      if (admin === undefined || admin.isSuperuser) return []
      const attributes = (['createrole', 'replication', 'bypassrls'] as const).filter((attribute) => !admin[attribute])
      if (attributes.length === 0 && admin.missing.length === 0) return []
      const lacks = [...attributes.map((attribute) => attribute.toUpperCase()), ...admin.missing.map((role) => `${role} with admin option`)]
      const fix = [
        attributes.length > 0 ? `alter role ${quoted(admin.name)} ${attributes.join(' ')};` : '',
        admin.missing.length > 0 ? `grant ${admin.missing.map(quoted).join(', ')} to ${quoted(admin.name)} with admin option;` : '',
      ]
      return [
        {
          object: `role ${admin.name}`,
          problem: `The administrator cannot make a login that replicates: it lacks ${lacks.join(', ')}. A superuser must give it.`,
          fix: fix.filter((text) => text !== '').join('\n'),
        },
      ]
    }),
}
