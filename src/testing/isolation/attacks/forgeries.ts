// Forgeries: a statement says by itself for whom it is. In one statement or several, by every name that tenants are set by.

import { randomUUID } from 'node:crypto'
import type { Mutation, SqlAttack, Statement } from '../attack.ts'
import { believesFlag, believesSetting, failsOpen, revived } from '../mutations.ts'
import type { IsolationStage } from '../stage.ts'
import { literal, type TableTarget } from '../target.ts'

const capability = 'partywall.capability'

type Form = (target: TableTarget, name: string, value: string) => readonly Statement[]

const set = (name: string, value: string, isLocal = true): string => `set_config(${literal(name)}, ${literal(value)}, ${isLocal})`

/** Ways to set something and read, in words and in SQL. The row comes out as text. */
const forms: readonly (readonly [id: string, words: string, form: Form])[] = [
  ['first', 'in a statement before', ({ sql }, name, value) => [`select ${set(name, value)}`, `select * from ${sql}`]],
  ['session', 'for the whole session', ({ sql }, name, value) => [`select ${set(name, value, false)}`, `select * from ${sql}`]],
  ['set-local', 'by SET LOCAL', ({ sql }, name, value) => [`set local ${name} = ${literal(value)}`, `select * from ${sql}`]],
  ['set', 'by SET', ({ sql }, name, value) => [`set ${name} = ${literal(value)}`, `select * from ${sql}`]],
  [
    'cte',
    'in a CTE of the same statement',
    ({ sql }, name, value) => [
      `with x as materialized (select ${set(name, value)} as v) select t.* from x, lateral (select * from ${sql} where x.v is not null) as t`,
    ],
  ],
  [
    'union',
    'in the first half of a UNION',
    ({ sql }, name, value) => [`select ${set(name, value)} union all select t::text from ${sql} as t`],
  ],
  ['where', 'in the condition', ({ sql }, name, value) => [`select * from ${sql} where ${set(name, value)} is not null`]],
  ['column', 'in the list of columns', ({ sql }, name, value) => [`select ${set(name, value)}, t.* from ${sql} as t`]],
  ['order', 'in ORDER BY', ({ sql }, name, value) => [`select * from ${sql} order by ${set(name, value)}`]],
  [
    'from',
    'in FROM',
    ({ sql }, name, value) => [
      `select t.* from (select ${set(name, value)} as v offset 0) as x cross join ${sql} as t where x.v is not null`,
    ],
  ],
  ['block', 'in a code block', ({ sql }, name, value) => [`do $kit$ begin perform ${set(name, value)}; end $kit$`, `select * from ${sql}`]],
  [
    'case',
    'in a CASE before a sub-query',
    ({ sql }, name, value) => [
      `select case when ${set(name, value)} is not null then (select string_agg(t::text, ';') from ${sql} as t) end`,
    ],
  ],
  [
    'prepared',
    'in a prepared statement',
    ({ sql }, name, value) => [`prepare kit_f as select ${set(name, value)}`, 'execute kit_f', `select * from ${sql}`],
  ],
  [
    'cursor',
    'while a cursor is open',
    ({ sql }, name, value) => [
      `declare kit_f cursor for select * from ${sql}`,
      `select ${set(name, value)}`,
      'fetch all from kit_f',
      `select * from ${sql}`,
    ],
  ],
  [
    'savepoint',
    'in a savepoint that is kept',
    ({ sql }, name, value) => ['savepoint kit', `select ${set(name, value)}`, 'release savepoint kit', `select * from ${sql}`],
  ],
]

/** What somebody who has no capability could say instead. */
const values: readonly (readonly [id: string, words: string, value: (stage: IsolationStage) => string])[] = [
  ['victim-id', 'the victim’s id', ({ victim }) => victim.id],
  ['victim-slug', 'the victim’s name', ({ victim }) => victim.slug],
  ['guess', 'a guess', () => randomUUID()],
  ['nil', 'the nil uuid', () => '00000000-0000-0000-0000-000000000000'],
  ['sql', 'SQL', () => `x' or true --`],
]

/** Names by which applications of other designs know the tenant. */
const settings = [
  'app.tenant_id',
  'app.current_tenant',
  'app.tenant',
  'app.current_tenant_id',
  'rls.tenant_id',
  'jwt.claims.tenant_id',
  'request.jwt.claim.tenant_id',
  'partywall.tenant_id',
]
const flags = ['app.is_admin', 'app.bypass_rls', 'app.role', 'partywall.bypass']

const refusals = ['42704', '22023', '42601', '0A000']

function forged(id: string, tries: string, mutation: Mutation, plan: SqlAttack['plan']): SqlAttack {
  return { id: `forge.${id}`, tries, on: 'protected', mutation, plan }
}

const ofCapabilities = values.flatMap(([valueId, valueWords, value]) =>
  forms.map(([formId, formWords, form]) =>
    forged(`${valueId}.${formId}`, `${valueWords} for a capability, ${formWords}`, failsOpen, (target, stage) => ({
      statements: form(target, capability, value(stage)),
      refusals,
    })),
  ),
)

const ofSettings = settings.flatMap((name) =>
  forms
    .filter(([formId]) => ['first', 'cte', 'union'].includes(formId))
    .map(([formId, formWords, form]) =>
      forged(`setting.${name}.${formId}`, `the victim’s id as ${name}, ${formWords}`, believesSetting(name), (target) => ({
        statements: form(target, name, target.victimKey),
        refusals,
      })),
    ),
)

const ofFlags = flags.map((name) =>
  forged(`flag.${name}`, `${name} switched on`, believesFlag(name), (target) => ({
    statements: [`select ${set(name, 'on')}`, `select * from ${target.sql}`],
    refusals,
  })),
)

/** Nothing is bound, or what was is let go. */
const withoutCapability: readonly (readonly [
  id: string,
  words: string,
  isNone: boolean,
  statements: (target: TableTarget) => readonly Statement[],
])[] = [
  ['read', 'read with no capability', true, ({ sql }) => [`select * from ${sql}`]],
  ['count', 'count with no capability', true, ({ sql }) => [`select count(*) from ${sql}`]],
  ['change', 'change with no capability', true, ({ sql, tenant }) => [`update ${sql} set ${tenant} = ${tenant}`]],
  ['delete', 'delete with no capability', true, ({ sql }) => [`delete from ${sql}`]],
  ['reset', 'let the capability go, by RESET', false, ({ sql }) => [`reset ${capability}`, `select * from ${sql}`]],
  [
    'default',
    'let the capability go, by SET TO DEFAULT',
    false,
    ({ sql }) => [`set local ${capability} to default`, `select * from ${sql}`],
  ],
  ['empty', 'bind an empty text', false, ({ sql }) => [`select ${set(capability, '')}`, `select * from ${sql}`]],
  ['reset-all', 'let everything go, by RESET ALL', false, ({ sql }) => ['reset all', `select * from ${sql}`]],
]

const ofNothing = withoutCapability.map(([id, words, isNone, statements]) =>
  forged(`none.${id}`, words, failsOpen, (target) => ({
    statements: statements(target),
    ...(isNone && { capability: { none: true as const } }),
    isForbidden: true,
    commits: false,
  })),
)

const deadOnes = (['expired', 'suspended', 'moved'] as const).flatMap((which) => [
  forged(`${which}.bind`, `a capability of the victim that is ${which}`, revived(which), ({ sql }, { dead }) => ({
    statements: [`select * from ${sql}`],
    capability: { forged: dead[which] },
    isForbidden: true,
  })),
  forged(`${which}.set`, `the same, past bind()`, revived(which), ({ sql }, { dead }) => ({
    statements: [`select ${set(capability, dead[which])}`, `select * from ${sql}`],
    isForbidden: true,
  })),
])

const bound: readonly SqlAttack[] = values.map(([id, words, value]) =>
  forged(`${id}.bind`, `${words} given to bind()`, failsOpen, ({ sql }, stage) => ({
    statements: [`select * from ${sql}`],
    capability: { forged: value(stage) },
    isForbidden: true,
  })),
)

/** A good one of the victim's, behind one's own, in one transaction. */
const second = forged(
  'second.bind',
  'bind a stolen capability of the victim behind one’s own, in one transaction',
  failsOpen,
  ({ sql }, { stolen }) => ({
    statements: [`select partywall.bind(${literal(stolen)})`, `select * from ${sql}`],
    isForbidden: true,
  }),
)

/** Attacks that say by themselves whose statement it is. */
export const forgeries: readonly SqlAttack[] = [...ofCapabilities, ...bound, ...ofSettings, ...ofFlags, ...ofNothing, ...deadOnes, second]
