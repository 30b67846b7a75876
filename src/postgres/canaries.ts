// Live canaries: two tenants without a row, who try to be each other through the same parts that serve every request. What the catalogs
// say is read by the boot gate; here it is tried.

import { randomUUID } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import { FairQueue } from '../core/fair-queue.ts'
import { MemoryAuditTrail } from '../core/memory-audit-trail.ts'
import { mainPlacement } from '../core/placement.ts'
import type { Tenant, TenantId, TenantSlug } from '../core/tenant.ts'
import { createTenantContext, type TenantContext, TenantScope } from '../core/tenant-context.ts'
import { BootRefusedError } from '../errors.ts'
import { type BootFinding, protectedTables } from './boot-gate.ts'
import { Capabilities } from './capabilities.ts'
import { type ControlConnection, ControlPool } from './control-pool.ts'
import { Leases } from './lease.ts'
import { MoveWait } from './move-wait.ts'
import { ConnectionPool } from './pool.ts'
import { roles } from './roles.ts'
import { quoted } from './table-shape.ts'
import type { TenantDatabase, TenantDatabases } from './tenant-database.ts'

export interface CanaryParts {
  /** The gatekeeper's connections. */
  readonly reader: ControlPool
  /** The app's URL, perhaps a pooler's. */
  readonly database: string
  readonly clock: Clock
  readonly applicationName: string
  /** See {@link ConnectionPoolOptions.prepare}. */
  readonly prepare: boolean | undefined
}

const alice = canary('00000000-0000-0000-0000-0000000000ca')
const bob = canary('00000000-0000-0000-0000-0000000000cb')

/** More than PostgreSQL executes before it may keep one plan for all: https://www.postgresql.org/docs/current/sql-prepare.html */
const timesOfEach = 7

const whoAmI = 'select b.tenant_id as me from partywall.bound as b'

/** @throws {BootRefusedError} with everything that got through, and what to look at. */
export async function assertWallStands(parts: CanaryParts): Promise<void> {
  const findings = await canaryFindings(parts)
  if (findings.length === 0) return
  const list = findings.map(({ rule, problem }) => `  ${rule}: ${problem}`).join('\n')
  throw new BootRefusedError(
    `The wall was tried and did not hold (${findings.length} canaries). Nothing is served. Install partywall's functions and views anew, or restore them:\n${list}`,
    { details: { findings } },
  )
}

/** What got through. */
export async function canaryFindings(parts: CanaryParts): Promise<readonly BootFinding[]> {
  const capabilities = new Capabilities({
    control: parts.reader,
    clock: parts.clock,
    ttlMs: 10_000,
    issuedTo: `${parts.applicationName} canary`,
  })
  // Past a pooler, one session of the server's may serve any of these; that is as it will be.
  const app = new ControlPool({
    connectionString: parts.database,
    applicationName: `${parts.applicationName} boot`,
    connectionsMax: 1,
    statementTimeoutMs: 0,
  })
  const pool = new ConnectionPool({
    connectionString: parts.database,
    clock: parts.clock,
    applicationName: `${parts.applicationName} boot`,
  })
  try {
    const tried = await Promise.all([
      takingTurns(parts, { pool, capabilities }),
      forgeries(parts, { app, capabilities }),
      wrongRoles(parts, app),
    ])
    return tried.flat()
  } finally {
    await pool.close()
    await capabilities.close()
    await app.close()
  }
}

/** Two tenants, one connection, and contexts that swap at every await. */
async function takingTurns(
  { clock }: CanaryParts,
  { pool, capabilities }: { readonly pool: ConnectionPool; readonly capabilities: Capabilities },
): Promise<readonly BootFinding[]> {
  const scope = new TenantScope(new MemoryAuditTrail())
  const queue = new FairQueue({ slots: 1, clock })
  const databases = onlyDatabase({ name: mainPlacement.database, holds: 'pooled', pool, queue, capabilities })
  const leases = new Leases({ databases, clock, moveWait: new MoveWait({ databases, clock, movingWaitMs: 0 }) })
  const findings: BootFinding[] = []
  const turn = async (tenant: Tenant, n: number): Promise<void> => {
    const context = createTenantContext({ tenant, actor: { kind: 'system', id: 'canary' } })
    await scope.run(context, async () => {
      const { rows } = await leases.query<{ me: string }>(scope.current(), { text: whoAmI })
      await Promise.resolve()
      const inside: TenantContext | undefined = scope.tryCurrent()
      if (rows[0]?.me !== tenant.id)
        findings.push(got('canary_connection', `turn ${n} of two tenants on one connection was given ${rows[0]?.me} for ${tenant.id}`))
      if (inside?.tenant.id !== tenant.id)
        findings.push(got('canary_context', `after an await the context was ${inside?.tenant.id}, not ${tenant.id}`))
    })
  }
  const turns: Promise<void>[] = []
  for (let n = 0; n < timesOfEach; n++) turns.push(turn(alice, n), turn(bob, n))
  await Promise.all(turns)
  return findings
}

/** As SQL that was injected would try it, on a connection of the app's login. */
async function forgeries(
  { reader }: CanaryParts,
  { app, capabilities }: { readonly app: ControlPool; readonly capabilities: Capabilities },
): Promise<readonly BootFinding[]> {
  const [mine, theirs, revoked, expired] = await Promise.all([
    capabilities.issue(alice.id, 10_000),
    capabilities.issue(bob.id, 10_000),
    capabilities.issue(alice.id, 10_000),
    reader.query<{ capability: string }>('select partywall.issue_expired() as capability'),
  ])
  await capabilities.revoke(revoked)
  const attempts: readonly (readonly [rule: string, what: string, handles: readonly string[], refused: readonly string[]])[] = [
    ['canary_forged', 'a capability that was guessed', [randomUUID()], ['PW002']],
    ['canary_forged', 'the id of a tenant for a capability', [bob.id], ['PW002']],
    ['canary_expired', 'a capability that has run out', [expired[0]!.capability], ['PW002', 'PW003']],
    ['canary_revoked', 'a capability that was revoked', [revoked.handle], ['PW002']],
    ['canary_rebound', 'another tenant’s capability inside a transaction', [mine.handle, theirs.handle], ['PW007']],
  ]
  const findings: BootFinding[] = []
  for (const [rule, what, handles, refused] of attempts) {
    const answer = await answerOf(app, async (connection) => {
      for (const handle of handles) await connection.query('select partywall.bind($1)', [handle])
      return await connection.query(whoAmI)
    })
    if (!refused.includes(answer)) findings.push(got(rule, `${what} was not refused (${refused.join(' or ')}): ${answer}`))
  }
  // Committed, so that what was bound for longer than the transaction would still be there.
  const own = await app
    .transaction(async (connection) => {
      await connection.query('select partywall.bind($1)', [mine.handle])
      return JSON.stringify(await connection.query(whoAmI))
    })
    .catch(refusalOf)
  if (own !== JSON.stringify([{ me: alice.id }])) findings.push(got('canary_own', `a good capability should say who its tenant is: ${own}`))
  const after = await answerOf(app, (connection) => connection.query(whoAmI))
  await Promise.all([mine, theirs].map((capability) => capabilities.revoke(capability)))
  await reader.query('select partywall.revoke($1::uuid[])', [[expired[0]!.capability]])
  if (after !== 'PW001') findings.push(got('canary_residue', `after its transaction a tenant was still bound: ${after}`))
  return findings
}

/** The app's login at what is the control plane's; the control plane's at what is the tenants'. */
async function wrongRoles({ reader }: CanaryParts, app: ControlPool): Promise<readonly BootFinding[]> {
  const findings: BootFinding[] = []
  const tables = await protectedTables(reader)
  const attempts: readonly (readonly [who: string, control: ControlPool, text: string])[] = [
    ['the app', app, `set local role ${roles.owner}`],
    ['the app', app, `set local role ${roles.gatekeeper}`],
    ['the app', app, 'select c.capability from partywall.capabilities as c limit 0'],
    ['the app', app, `select partywall.issue(array['${bob.id}']::uuid[], interval '10 seconds', 'canary')`],
    ...tables
      .slice(0, 1)
      .map(({ schema, table }) => ['the gatekeeper', reader, `select from ${quoted(schema)}.${quoted(table)} limit 0`] as const),
  ]
  for (const [who, control, text] of attempts) {
    const answer = await answerOf(control, (connection) => connection.query(text))
    if (answer !== '42501') findings.push(got('canary_role', `${who} could run: ${text} (${answer})`))
  }
  return findings
}

/** What a transaction is told: the code of its refusal, or its rows. It is taken back. */
async function answerOf(control: ControlPool, run: (connection: ControlConnection) => Promise<unknown>): Promise<string> {
  const isOver = Symbol('taken back')
  let rows: unknown
  try {
    await control.transaction(async (connection) => {
      rows = await run(connection)
      throw isOver
    })
  } catch (error) {
    return error === isOver ? JSON.stringify(rows) : refusalOf(error)
  }
  return ''
}

/** The code of what the database refused; anything else is no answer. */
function refusalOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown }
  if (typeof code === 'string' && !code.startsWith('PW_')) return code
  throw error
}

function got(rule: string, problem: string): BootFinding {
  return { rule, object: 'the wall', problem: `${problem}.`, fix: null }
}

function onlyDatabase(main: TenantDatabase): TenantDatabases {
  return {
    main,
    all: () => [main],
    tryGet: () => main,
    get: async () => main,
    locate: async () => undefined,
    expireFence: async () => undefined,
  }
}

function canary(id: string): Tenant {
  const at = new Date(0)
  return {
    id: id as TenantId,
    slug: `canary-${id.slice(-2)}` as TenantSlug,
    name: 'Canary',
    plan: 'canary',
    region: 'default',
    placement: mainPlacement,
    version: undefined,
    parentId: undefined,
    status: 'active',
    features: {},
    ownFeatures: {},
    settings: {},
    domains: [],
    encryptionKeyId: undefined,
    keys: {},
    epoch: 1,
    createdAt: at,
    updatedAt: at,
  }
}
