// partywall tenant: create, list, show, suspend, resume, rename.

import type { Tenant } from '../../core/tenant.ts'
import { parseTenantRef } from '../../core/tenant.ts'
import { ConfigurationError, TenantNotFoundError } from '../../errors.ts'
import { columns } from '../columns.ts'
import { type ControlPlane, requireAdmin, withControlPlane } from '../control-plane.ts'
import { readSettings } from '../settings.ts'
import type { Invocation, Verb } from '../verb.ts'

type Flags = Invocation['flags']
type Print = (line: string) => void

interface Action {
  /** How many words follow it. */
  readonly words: number
  readonly changes: boolean
  run(plane: ControlPlane, words: readonly string[], flags: Flags, print: Print): Promise<void>
}

const usage = `partywall tenant create <slug> [--name <name>] [--plan <plan>] [--region <region>]
partywall tenant list [--plan <plan>] [--status active|suspended|offboarding]
partywall tenant show <tenant>
partywall tenant suspend <tenant> --reason <why>
partywall tenant resume <tenant> --reason <why>
partywall tenant rename <tenant> [--slug <slug>] [--name <name>]

A tenant is an id or a slug. --json prints one JSON object a line. When suspend returns, the database refuses the tenant's
statements in every process. Needs PARTYWALL_CATALOG_URL and PARTYWALL_ADMIN_URL, or a partywall dev that runs beside.`

const listPageMax = 1_000

const actions: Readonly<Record<string, Action>> = {
  create: {
    words: 1,
    changes: true,
    async run({ tenants }, [slug = ''], flags, print) {
      const { plan, region } = flags as Record<string, string | undefined>
      show(await tenants.create({ slug, name: text(flags, 'name') ?? slug, plan, region }), flags, print)
    },
  },
  list: {
    words: 0,
    changes: false,
    async run({ tenants }, _words, flags, print) {
      const filter = { plan: text(flags, 'plan'), status: text(flags, 'status') as Tenant['status'] | undefined }
      const rows: Tenant[] = []
      for (let after: Tenant['id'] | undefined, more = true; more; more = after !== undefined) {
        const page = await tenants.list({ ...filter, limit: listPageMax, after })
        if (flags['json'] === true) for (const tenant of page.tenants) print(JSON.stringify(tenant))
        else rows.push(...page.tenants)
        after = page.next
      }
      if (flags['json'] === true) return
      const head = ['SLUG', 'STATUS', 'PLAN', 'REGION', 'ID', 'NAME']
      for (const line of columns([head, ...rows.map((row) => [row.slug, row.status, row.plan, row.region, row.id, row.name])])) print(line)
    },
  },
  show: {
    words: 1,
    changes: false,
    async run(plane, [ref = ''], flags, print) {
      show(await find(plane, ref), flags, print)
    },
  },
  suspend: {
    words: 1,
    changes: true,
    async run({ tenants, actor }, [ref = ''], flags, print) {
      show(await tenants.suspend(ref, { reason: reason(flags), actor }), flags, print)
    },
  },
  resume: {
    words: 1,
    changes: true,
    async run({ tenants, actor }, [ref = ''], flags, print) {
      show(await tenants.resume(ref, { reason: reason(flags), actor }), flags, print)
    },
  },
  rename: {
    words: 1,
    changes: true,
    async run({ tenants }, [ref = ''], flags, print) {
      const [slug, name] = [text(flags, 'slug'), text(flags, 'name')]
      if (slug === undefined && name === undefined) throw new ConfigurationError('Say what to rename: --slug, --name, or both.')
      show(await tenants.update(ref, { ...(slug !== undefined && { slug }), ...(name !== undefined && { name }) }), flags, print)
    },
  },
}

export const tenant: Verb = {
  summary: 'Create, list, show, suspend, resume or rename tenants',
  usage,
  options: {
    name: { type: 'string' },
    plan: { type: 'string' },
    region: { type: 'string' },
    status: { type: 'string' },
    slug: { type: 'string' },
    reason: { type: 'string' },
    json: { type: 'boolean' },
  },
  async run({ args, flags, terminal }) {
    const [name = '', ...words] = args
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined
    if (action === undefined || words.length !== action.words) throw new ConfigurationError(`What shall be done?\n\n${usage}`)
    const settings = await readSettings(terminal)
    await withControlPlane(action.changes ? requireAdmin(settings) : settings, (plane) => action.run(plane, words, flags, terminal.print))
  },
}

async function find({ tenants }: ControlPlane, ref: string): Promise<Tenant> {
  const found = await tenants.find(parseTenantRef(ref))
  if (found === undefined) throw new TenantNotFoundError(`There is no tenant ${JSON.stringify(ref)}. See partywall tenant list.`)
  return found
}

function show(row: Tenant, flags: Flags, print: Print): void {
  if (flags['json'] === true) {
    print(JSON.stringify(row))
    return
  }
  const lines = columns(Object.entries(row).map(([key, value]) => [key, typeof value === 'string' ? value : (JSON.stringify(value) ?? '')]))
  for (const line of lines) print(line)
}

function reason(flags: Flags): string {
  const given = text(flags, 'reason')
  if (given !== undefined && given.trim() !== '') return given
  throw new ConfigurationError('Say why, for the audit trail: --reason "…"')
}

function text(flags: Flags, name: string): string | undefined {
  const value = flags[name]
  return typeof value === 'string' ? value : undefined
}
