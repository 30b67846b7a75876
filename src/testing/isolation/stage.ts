// The stage of one run: what there is, rows of a victim and of an attacker in all of it, what only the victim may see, and the truth
// against which every attempt is judged.

import { randomBytes, randomUUID } from 'node:crypto'
import { InvalidInputError } from '../../errors.ts'
import { logins } from '../../postgres/installation.ts'
import { quoted } from '../../postgres/table-shape.ts'
import type { TestTenancy, TestTenant } from '../test-tenancy.ts'
import { Attacker } from './attacker.ts'
import { type Row, type Seeded, type Seeds, type SeedTenant, seedTenant } from './seed.ts'
import { type Survey, type SurveyedTable, surveyOf } from './survey.ts'
import { literal, type TableTarget } from './target.ts'

/** Shorter values could be in anybody's rows by chance. */
const secretLengthMin = 8
/** Long enough for a run; a capability is renewed by nobody here. */
const capabilityTtlMs = 3_600_000

export class IsolationStage {
  readonly kit: TestTenancy
  readonly survey: Survey
  readonly attacker: TestTenant
  readonly victim: TestTenant
  readonly sql: Attacker
  readonly targets: readonly TableTarget[]
  /** Tables that no row could be put into, and why. */
  readonly unseeded: readonly { readonly table: SurveyedTable; readonly reason: string }[]
  /** The attacker's own, and good. */
  readonly capability: string
  /** The victim's own, and good: as if it had been read somewhere. */
  readonly stolen: string
  /** Capabilities of the victim that are good no more. */
  readonly dead: Readonly<Record<'expired' | 'suspended' | 'moved', string>>
  /** Values that are in the victim's rows and in no other. */
  readonly secrets: readonly string[]
  readonly #kept: ReadonlyMap<number, readonly Row[]>
  #print = ''

  private constructor(parts: {
    readonly kit: TestTenancy
    readonly survey: Survey
    readonly attacker: TestTenant
    readonly victim: TestTenant
    readonly targets: readonly TableTarget[]
    readonly unseeded: IsolationStage['unseeded']
    readonly capability: string
    readonly stolen: string
    readonly dead: IsolationStage['dead']
    readonly secrets: readonly string[]
    readonly kept: ReadonlyMap<number, readonly Row[]>
  }) {
    this.kit = parts.kit
    this.survey = parts.survey
    this.attacker = parts.attacker
    this.victim = parts.victim
    this.sql = new Attacker(parts.kit.urls.app)
    this.targets = parts.targets
    this.unseeded = parts.unseeded
    this.capability = parts.capability
    this.stolen = parts.stolen
    this.dead = parts.dead
    this.secrets = parts.secrets
    this.#kept = parts.kept
  }

  /** Looks at what there is and seeds two tenants of this run's own. */
  static async set(kit: TestTenancy, options: { readonly seeds?: Seeds | undefined } = {}): Promise<IsolationStage> {
    const run = randomBytes(4).toString('hex')
    const [attacker, victim] = [await kit.tenant(`kit-attacker-${run}`), await kit.tenant(`kit-victim-${run}`)]
    const survey = await surveyOf(kit.truth, logins.app)
    assertSeedsAreKnown(survey, options.seeds ?? {})
    const seed = (tenant: TestTenant, mark: string): Promise<Seeded> =>
      seedTenant({ truth: kit.truth, tables: survey.tables, tenant: seedTenantOf(tenant, mark), seeds: options.seeds ?? {} })
    const [own, theirs] = [await seed(attacker, `own-${run}`), await seed(victim, `secret-${run}`)]
    const targets = survey.tables.flatMap((table) => targetOf(table, { own, theirs, attacker, victim }))
    const unseeded = survey.tables.flatMap((table) => {
      const reason = theirs.missing.get(table.oid) ?? own.missing.get(table.oid)
      return reason === undefined ? [] : [{ table, reason }]
    })
    const issue = async ({ id }: TestTenant): Promise<string> =>
      (await kit.tenancy.issueCapability(id, { ttlMs: capabilityTtlMs, reason: 'The isolation kit attacks with it.' })).handle
    const [capability, stolen] = [await issue(attacker), await issue(victim)]
    const dead = await deadCapabilities(kit, victim)
    const kept = new Map<number, readonly Row[]>()
    for (const target of targets) {
      const rows = await kit.truth.query<{ row: Row }>(
        `select to_jsonb(t) as row from ${target.sql} as t ${whereOurs(target)}`,
        ours(target),
      )
      kept.set(
        target.table.oid,
        rows.map(({ row }) => row),
      )
    }
    const secrets = secretsOf(targets, own, theirs)
    const stage = new IsolationStage({ kit, survey, attacker, victim, targets, unseeded, capability, stolen, dead, secrets, kept })
    await stage.restore()
    return stage
  }

  /** What of the victim's stands in a text, beside what the attempt itself has said. */
  secretIn(text: string, said = ''): string | undefined {
    return this.secrets.find((secret) => text.includes(secret) && !said.includes(secret))
  }

  /** Has anything of the two tenants' changed since the stage was set or restored? Looks at every table of both. */
  async hasChanged(): Promise<boolean> {
    return (await this.#fingerprint()) !== this.#print
  }

  /** Which of the victim's tables are not as they were. */
  async harmed(): Promise<readonly string[]> {
    const harmed: string[] = []
    for (const { table, victimKey } of this.#targetsOfTenants()) {
      const rows = await this.kit.truth.query<{ row: Row }>(
        table.tenantColumn === null
          ? `select to_jsonb(t) as row from ${table.sql} as t`
          : `select to_jsonb(t) as row from ${table.sql} as t where t.${quoted(table.tenantColumn)}::text = $1`,
        table.tenantColumn === null ? [] : [victimKey],
      )
      const now = rows.map(({ row }) => JSON.stringify(row)).sort()
      const before = (this.#kept.get(table.oid) ?? [])
        .filter((row) => table.tenantColumn === null || String(row[table.tenantColumn]) === victimKey)
        .map((row) => JSON.stringify(row))
        .sort()
      if (now.length !== before.length || now.some((line, at) => line !== before[at])) harmed.push(table.sql)
    }
    return harmed
  }

  /** Puts back what both tenants had, and nothing else. Triggers and keys are not asked. */
  async restore(): Promise<void> {
    const { truth } = this.kit
    await truth.transaction(async (connection) => {
      await connection.query('set local session_replication_role = replica')
      for (const target of this.#targetsOfTenants()) {
        const { table, sql, ownKey, victimKey } = target
        const columns = table.columns.filter(({ isGenerated }) => !isGenerated).map(({ name }) => quoted(name))
        const kept = this.#kept.get(table.oid) ?? []
        for (const key of table.tenantColumn === null ? [null] : [ownKey, victimKey]) {
          // The guard of moves takes this for the rows that a move brings: it lets those of one tenant in, who is named.
          if (key !== null) await connection.query(`set local partywall.applies_${table.tenantType} = ${literal(key)}`)
          const mine = key === null ? kept : kept.filter((row) => String(row[table.tenantColumn ?? '']) === key)
          await connection.query(
            `delete from ${sql} as t ${key === null ? '' : `where t.${target.tenant}::text = $1`}`,
            key === null ? [] : [key],
          )
          await connection.query(
            `insert into ${sql} (${columns.join(', ')}) overriding system value
             select ${columns.join(', ')} from jsonb_populate_recordset(null::${sql}, $1::jsonb)`,
            [JSON.stringify(mine)],
          )
        }
      }
    })
    this.#print = await this.#fingerprint()
  }

  /** Without global ones: their rows are everybody's, and nobody's to restore. */
  #targetsOfTenants(): readonly TableTarget[] {
    return this.targets.filter(({ table }) => table.status !== 'global')
  }

  async strike(): Promise<void> {
    await this.sql.close()
  }

  async #fingerprint(): Promise<string> {
    const parts = this.targets.map(
      ({ table }) =>
        `select ${table.oid}::text || coalesce(md5(string_agg(t::text, ',' order by t::text)), '') as print from ${table.sql} as t`,
    )
    if (parts.length === 0) return ''
    const rows = await this.kit.truth.query<{ print: string }>(parts.join(' union all '))
    return rows
      .map(({ print }) => print)
      .sort()
      .join()
  }
}

async function deadCapabilities({ truth }: TestTenancy, victim: TestTenant): Promise<IsolationStage['dead']> {
  const dead = { expired: randomUUID(), suspended: randomUUID(), moved: randomUUID() }
  await truth.query(
    `insert into partywall.capabilities (capability, tenant_id, state, expires_at)
     values ($1, $4, 'open', now() - interval '1 second'), ($2, $4, 'suspended', 'infinity'), ($3, $4, 'moved', 'infinity')`,
    [dead.expired, dead.suspended, dead.moved, victim.id],
  )
  return dead
}

/** Rows of the two tenants; all rows of a table that knows no tenants. */
function whereOurs({ table, tenant }: TableTarget): string {
  return table.tenantColumn === null ? '' : `where t.${tenant}::text = any ($1)`
}

function ours({ table, ownKey, victimKey }: TableTarget): readonly unknown[] {
  return table.tenantColumn === null ? [] : [[ownKey, victimKey]]
}

function assertSeedsAreKnown({ tables }: Survey, seeds: Seeds): void {
  const unknown = Object.keys(seeds).find(
    (name) => !tables.some((table) => name === table.name || name === `${table.schema}.${table.name}`),
  )
  if (unknown !== undefined) throw new InvalidInputError(`There is a seed for ${unknown}, and no such table.`)
}

function seedTenantOf(tenant: TestTenant, mark: string): SeedTenant {
  return { id: tenant.id, slug: tenant.slug, mark, keyOf: (type) => keyOf(tenant, type) }
}

/** How a column of this type knows the tenant. */
function keyOf(tenant: TestTenant, type: string | null): string {
  const { keys } = tenant
  if (type === 'bigint') return String(keys.bigint ?? tenant.id)
  return type === 'text' ? (keys.text ?? tenant.id) : tenant.id
}

function targetOf(
  table: SurveyedTable,
  { own, theirs, attacker, victim }: { own: Seeded; theirs: Seeded; attacker: TestTenant; victim: TestTenant },
): readonly TableTarget[] {
  const [ownRow] = own.rows.get(table.oid) ?? []
  const [victimRow] = theirs.rows.get(table.oid) ?? []
  if (ownRow === undefined || victimRow === undefined) return []
  const primary = table.keys.find(({ isPrimary }) => isPrimary)?.columns ?? []
  const isTelling = ({ name }: { readonly name: string }): boolean =>
    name !== table.tenantColumn && victimRow[name] !== null && victimRow[name] !== ownRow[name] && String(victimRow[name]).length >= 4
  const isText = /^(text|character varying|character|citext)$/
  const text = table.columns.find((column) => isText.test(column.base) && !column.isArray && isTelling(column))
  const telling =
    table.columns.find((column) => primary.includes(column.name) && isTelling(column)) ?? text ?? table.columns.find(isTelling)
  const free = table.columns.find(
    (column) =>
      isText.test(column.base) &&
      !column.isArray &&
      !column.isGenerated &&
      column.labels === null &&
      (column.lengthMax ?? 99) > 8 &&
      !table.keys.some(({ columns }) => columns.includes(column.name)) &&
      !table.checks.some(({ columns }) => columns.includes(column.name)) &&
      !table.references.some(({ columns }) => columns.includes(column.name)),
  )
  const same = table.columns.find((column) => !column.isGenerated && !primary.includes(column.name) && column.name !== table.tenantColumn)
  const writable =
    free !== undefined ? { column: free, value: `'taken'` } : same !== undefined && { column: same, value: quoted(same.name) }
  return [
    {
      table,
      sql: table.sql,
      tenant: quoted(table.tenantColumn ?? 'tenant_id'),
      victimRow,
      ownRow,
      ownRows: own.rows.get(table.oid) ?? [],
      ownCount: own.rows.get(table.oid)?.length ?? 0,
      victimKey: keyOf(victim, table.tenantType),
      ownKey: keyOf(attacker, table.tenantType),
      telling,
      text,
      writable: writable || undefined,
    },
  ]
}

/** A value that the attacker has too, or that is part of one of its values, tells nothing. */
function secretsOf(targets: readonly TableTarget[], own: Seeded, theirs: Seeded): readonly string[] {
  const mine = JSON.stringify([...own.rows.values()])
  const found = new Set<string>()
  for (const { table, victimKey } of targets) {
    if (table.status === 'global') continue
    for (const row of theirs.rows.get(table.oid) ?? []) {
      for (const [name, value] of Object.entries(row)) {
        if (name === table.tenantColumn || typeof value === 'boolean' || value === null) continue
        const text = typeof value === 'object' ? JSON.stringify(value).slice(1, -1) : String(value)
        // A time is made by the clock, and two tenants may have it.
        const isTime = /^\d{4}-\d\d-\d\d/.test(text)
        if (text.length >= secretLengthMin && !isTime && !mine.includes(text) && text !== victimKey) found.add(text)
      }
    }
  }
  return [...found]
}
