// Whether the administrators may make the login that a move replicates with.

import { roles } from '../../roles.ts'
import { quoted } from '../../table-shape.ts'
import { type MoveCheck, onEachServer } from '../check.ts'

/** What a transfer's login is given with `alter role … set`: the tenant whose rows it may apply. */
const parameters = ['partywall.applies_uuid', 'partywall.applies_bigint', 'partywall.applies_text']
const granted = [roles.owner, 'pg_create_subscription', 'pg_read_all_stats', 'pg_signal_backend']

interface Administrator {
  readonly name: string
  readonly isSuperuser: boolean
  readonly createrole: boolean
  readonly replication: boolean
  readonly bypassrls: boolean
  /** Roles that it may not give to others. */
  readonly missing: readonly string[]
  readonly parameters: readonly string[]
  /** Databases to which it may not let others. */
  readonly databases: readonly string[]
}

export const replicationRole: MoveCheck = {
  rule: 'replication-role',
  level: 'refuse',
  check: (survey) =>
    onEachServer(survey, async (place, isBoth) => {
      const places = isBoth ? [survey.source, survey.target] : [place]
      // Where the place is not made yet, its server is tried out in `postgres`.
      const databases = places.map(({ isMade, databaseName }) => (isMade && databaseName !== undefined ? databaseName : 'postgres'))
      const [admin] = await place.administer<Administrator>(
        `select r.rolname::text as name, r.rolsuper as "isSuperuser", r.rolcreaterole as createrole, r.rolreplication as replication, r.rolbypassrls as bypassrls,
                array(
                  select g.role from unnest($1::text[]) as g (role)
                   where not exists (
                           select from pg_catalog.pg_auth_members as m
                             join pg_catalog.pg_roles as given on given.oid = m.roleid
                            where given.rolname = g.role and m.member = r.oid and m.admin_option
                         )
                ) as missing,
                array(select p.name from unnest($2::text[]) as p (name) where not has_parameter_privilege(p.name, 'set')) as parameters,
                array(
                  select d.datname::text from pg_catalog.pg_database as d
                   where d.datname = any ($3)
                     and not (has_database_privilege(d.oid, 'connect with grant option') and has_database_privilege(d.oid, 'create with grant option'))
                ) as databases
           from pg_catalog.pg_roles as r
          where r.rolname = current_user`,
        [granted, parameters, databases],
        'postgres',
      )
      if (admin === undefined || admin.isSuperuser) return []
      const attributes = (['createrole', 'replication', 'bypassrls'] as const).filter((attribute) => !admin[attribute])
      const name = quoted(admin.name)
      const lacks: readonly (readonly [string, string])[] = [
        ...attributes.map((attribute) => [attribute.toUpperCase(), `alter role ${name} ${attribute};`] as const),
        ...admin.missing.map((role) => [`${role} with admin option`, `grant ${quoted(role)} to ${name} with admin option;`] as const),
        ...admin.parameters.map((parameter) => [`SET on ${parameter}`, `grant set on parameter ${parameter} to ${name};`] as const),
        ...admin.databases.map(
          (database) =>
            [
              `what it can give on ${database}`,
              `grant connect, create on database ${quoted(database)} to ${name} with grant option;`,
            ] as const,
        ),
      ]
      if (lacks.length === 0) return []
      return [
        {
          object: `role ${admin.name}`,
          problem: `The administrator cannot make a login that replicates: it lacks ${lacks.map(([what]) => what).join(', ')}. A superuser must give it.`,
          fix: lacks.map(([, statement]) => statement).join('\n'),
        },
      ]
    }),
}
