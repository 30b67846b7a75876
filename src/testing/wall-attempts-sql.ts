// In SQL: an attacker who can run any statement as the app's login, bound to its own tenant, as through an injection.

import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { InternalError, TenancyError } from '../errors.ts'
import type { WallAttempt } from './wall-check.ts'
import { described, noCapability, type WallOutcome } from './wall-doors.ts'
import { refusal } from './wall-refusal.ts'
import type { WallParty, WallStage } from './wall-stage.ts'

const divisionByZero = '22012'
const undefinedTable = '42P01'
const undefinedSchema = '3F000'
const duplicateKey = '23505'
const expiryPollMs = 50
const expiryPollsMax = 100

const table = (stage: WallStage) => stage.options.probe.table
const column = (stage: WallStage) => stage.options.probe.column
const victimId = (stage: WallStage) => stage.options.victim.tenant.id

/** Each leaves nothing behind: what it ran is rolled back. */
export const sqlAttempts: readonly WallAttempt[] = [
  { name: '(control) lose sight of one’s own rows', run: ownRow },
  ofAttacker(refused('read with no capability at all', (stage) => stage.attack(`select * from ${table(stage)}`, [], noCapability))),
  ofAttacker(
    refused('read with a capability that was guessed', (stage) => stage.attack(`select * from ${table(stage)}`, [], randomUUID())),
  ),
  refused("read with another tenant's id for a capability", (stage) => stage.attack(`select * from ${table(stage)}`, [], victimId(stage))),
  unseen('read all rows, with no condition', (stage) => stage.attack(`select * from ${table(stage)}`)),
  unseen('read by the id of the row', (stage) => stage.attack(`select * from ${table(stage)} where id = $1`, [stage.itemId])),
  unseen("read where the tenant is another's", (stage) =>
    stage.attack(`select * from ${table(stage)} where tenant_id = $1`, [victimId(stage)]),
  ),
  { name: "read another tenant's table by its full name", run: (stage) => byFullName(stage, stage.options.victim) },
  ofAttacker({
    name: "read a suspended neighbour's table by its full name",
    run: (stage) => byFullName(stage, stage.suspended),
  }),
  unseen('rewrite the bound tenant in the statement itself', (stage) =>
    stage.attack(`select d.*, set_config('partywall.capability', $1, true) from ${table(stage)} as d`, [victimId(stage)]),
  ),
  unseen('rewrite the bound tenant in a CTE that runs first', (stage) =>
    stage.attack(
      `with forged as materialized (select set_config('partywall.capability', $1, true) as capability)
       select d.* from forged, lateral (select * from ${table(stage)} where forged.capability is not null) as d`,
      [victimId(stage)],
    ),
  ),
  unseen('set the tenant under the names that others use', (stage) =>
    stage.attack(
      `with forged as materialized (
         select set_config('app.tenant_id', $1, true), set_config('app.current_tenant', $1, true), set_config('partywall.tenant_id', $1, true)
       )
       select d.* from forged, ${table(stage)} as d`,
      [victimId(stage)],
    ),
  ),
  ofAttacker(
    refused('switch row-level security off for the session', (stage) =>
      stage.attack(['set local row_security = off', `select * from ${table(stage)}`]),
    ),
  ),
  ofAttacker(
    refused('become the owner of the tables', (stage) => stage.attack(['set local role partywall_owner', `select * from ${table(stage)}`])),
  ),
  ofAttacker(
    refused('switch row-level security off for the table', (stage) =>
      stage.attack(`alter table ${table(stage)} disable row level security`),
    ),
  ),
  ofAttacker(refused('drop a policy', (stage) => stage.attack(`drop policy partywall_tenant on ${table(stage)}`))),
  ofAttacker(
    refused('make a function with more rights', (stage) =>
      stage.attack(`create function app.peek() returns bigint language sql security definer as 'select 1::bigint'`),
    ),
  ),
  ofAttacker(
    refused('run SQL text through query_to_xml', (stage) =>
      stage.attack(`select query_to_xml($1, true, true, '')::text`, [`select * from ${table(stage)}`]),
    ),
  ),
  ofAttacker(refused('read the capabilities of others', (stage) => stage.attack('select * from partywall.capabilities'))),
  ofAttacker(refused('read the gates', (stage) => stage.attack('select * from partywall.gates'))),
  ofAttacker(withheld('read the catalog of tenants', (stage) => stage.attack('select * from partywall.tenants'))),
  ofAttacker(withheld('read the API keys', (stage) => stage.attack('select * from partywall.api_keys'))),
  refused('issue a capability for another tenant', (stage) =>
    stage.attack(`select * from partywall.issue(array[$1]::uuid[], interval '1 minute', 'attacker')`, [victimId(stage)]),
  ),
  ofAttacker(
    refused('open the gate of a suspended tenant', (stage) =>
      stage.attack(`select partywall.set_gate($1, 'open')`, [stage.suspended.tenant.id]),
    ),
  ),
  ofAttacker(refused('read what other sessions run', (stage) => stage.attack('select query from pg_catalog.pg_stat_get_activity(null)'))),
  unseen('read the statistics of the column', (stage) =>
    stage.attack('select most_common_vals::text, histogram_bounds::text from pg_catalog.pg_stats where tablename = $1', [table(stage)]),
  ),
  { name: "make another tenant's row divide by zero", run: leakyPredicate },
  {
    name: 'change all rows, with no condition',
    run: (stage) => blindWrite(stage, `update ${table(stage)} set ${column(stage)} = 'taken' returning id, tenant_id`),
  },
  {
    name: 'delete all rows, with no condition',
    run: (stage) => blindWrite(stage, `delete from ${table(stage)} returning id, tenant_id`),
  },
  refused('insert a row for another tenant', (stage) =>
    stage.attack(`insert into ${table(stage)} (tenant_id, ${column(stage)}) values ($1, 'x') returning id`, [victimId(stage)]),
  ),
  refused('hand a row to another tenant', (stage) =>
    stage.attack(`update ${table(stage)} set tenant_id = $1 where id = $2 returning id`, [victimId(stage), stage.ownItemId]),
  ),
  { name: 'learn from a duplicate key which ids another tenant has', run: keyProbe },
  { name: 'leave a capability in the session for the next tenant', run: sessionResidue },
  ofAttacker(
    refused('bind the capability of a suspended tenant', (stage) =>
      stage.attack(`select * from ${table(stage)}`, [], stage.suspendedCapability),
    ),
  ),
  { name: 'bind a capability that was revoked', isOfAttacker: true, run: revoked },
  { name: 'bind a capability that has expired', isOfAttacker: true, run: expired },
]

/** One that says nothing of the victim. */
function ofAttacker(attempt: WallAttempt): WallAttempt {
  return { ...attempt, isOfAttacker: true }
}

/** An attempt that the database must refuse with an error. */
function refused(name: string, attack: (stage: WallStage) => Promise<WallOutcome>): WallAttempt {
  return { name, run: async (stage) => refusal(await attack(stage)) }
}

/** An attempt on a table of the catalog's: refused, or not even there, since databases of the fleet have no catalog. */
function withheld(name: string, attack: (stage: WallStage) => Promise<WallOutcome>): WallAttempt {
  return {
    name,
    async run(stage) {
      const got = await attack(stage)
      return 'rows' in got || got.sqlstate !== undefinedTable ? refusal(got) : undefined
    },
  }
}

/** An attempt that may get rows, if they are the attacker's own. */
function unseen(name: string, attack: (stage: WallStage) => Promise<WallOutcome>): WallAttempt {
  return {
    name,
    async run(stage) {
      const got = await attack(stage)
      return 'rows' in got ? foreignRows(stage, got.rows) : refusal(got)
    },
  }
}

function foreignRows(stage: WallStage, rows: readonly object[]): string | undefined {
  const foreign = rows.filter((row) => {
    const text = JSON.stringify(row)
    return text.includes(stage.mark) || ('tenant_id' in row && row.tenant_id !== stage.options.attacker.tenant.id)
  })
  return foreign.length === 0 ? undefined : described({ rows: foreign })
}

async function byFullName(stage: WallStage, { tenant }: WallParty): Promise<string | undefined> {
  const got = await stage.attack(`select * from ${tenant.placement.schema}.${table(stage)}`)
  if ('rows' in got) return foreignRows(stage, got.rows)
  // In another database than the other tenant's there is no such schema to name.
  return got.sqlstate === undefinedTable || got.sqlstate === undefinedSchema ? undefined : refusal(got)
}

async function ownRow(stage: WallStage): Promise<string | undefined> {
  const got = await stage.attack(`select id from ${table(stage)} where id = $1`, [stage.ownItemId])
  return 'rows' in got && got.rows.length === 1 ? undefined : described(got)
}

/** A predicate that fails on the row it is looking for tells of it, if it is called before the policy. */
async function leakyPredicate(stage: WallStage): Promise<string | undefined> {
  const got = await stage.attack(
    `select count(*) from ${table(stage)} where 1 / (case when strpos(${column(stage)}, $1) > 0 then 0 else 1 end) = 1`,
    [stage.mark],
  )
  if ('rows' in got) return undefined
  return got.sqlstate === divisionByZero ? described(got) : refusal(got)
}

async function blindWrite(stage: WallStage, text: string): Promise<string | undefined> {
  const got = await stage.attack(text)
  if (!('rows' in got)) return refusal(got)
  if (got.rows.length === 0) throw new InternalError('Not even the attacker’s own row was written: that proves nothing.')
  return foreignRows(stage, got.rows)
}

async function keyProbe(stage: WallStage): Promise<string | undefined> {
  const got = await stage.attack(`insert into ${table(stage)} (id, ${column(stage)}) values ($1, 'x') returning id`, [stage.itemId])
  if ('rows' in got) return undefined
  return got.sqlstate === duplicateKey ? described(got) : refusal(got)
}

/** Through the application's own pool: one tenant's statement leaves its capability in the session, the next tenant comes. */
async function sessionResidue(stage: WallStage): Promise<string | undefined> {
  const { tenancy, attacker, victim } = stage.options
  await tenancy
    .run(attacker.tenant.id, () =>
      tenancy.query(`select set_config('partywall.capability', current_setting('partywall.capability'), false)`),
    )
    .catch((error: unknown) => {
      // Refused at once is as good.
      if (!(error instanceof TenancyError)) throw error
    })
  const { rows } = await tenancy.run(victim.tenant.id, () => tenancy.query<object>(`select * from ${table(stage)}`))
  const text = JSON.stringify(rows)
  if (!text.includes(stage.mark)) return 'The next tenant does not see its own row.'
  return text.includes(stage.ownMark) ? 'The next tenant sees rows of the one before.' : undefined
}

async function revoked(stage: WallStage): Promise<string | undefined> {
  const capability = await stage.issue(stage.options.attacker, 60_000)
  const before = await stage.attack(`select id from ${table(stage)}`, [], capability)
  if (!('rows' in before)) throw new InternalError(`The capability was not good before: ${described(before)}`)
  await stage.gatekeeper.query('select partywall.revoke($1::uuid[])', [[capability]])
  return refusal(await stage.attack(`select id from ${table(stage)}`, [], capability))
}

async function expired(stage: WallStage): Promise<string | undefined> {
  for (let polls = 0; polls < expiryPollsMax; polls++) {
    const got = await stage.attack(`select id from ${table(stage)}`, [], stage.expiringCapability)
    if (!('rows' in got)) return refusal(got)
    await delay(expiryPollMs)
  }
  return 'A capability of one second is good after five.'
}
