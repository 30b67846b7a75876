// partywall apikey: create, list, rotate, revoke.

import type { ApiKey } from '../../core/api-keys.ts'
import { systemClock } from '../../core/clock.ts'
import { parseTenantRef, type Tenant } from '../../core/tenant.ts'
import { ConfigurationError, TenantNotFoundError } from '../../errors.ts'
import { issueApiKey, rotateApiKey } from '../../identity/api-key.ts'
import { columns } from '../columns.ts'
import { type ControlPlane, requireAdmin, withControlPlane } from '../control-plane.ts'
import { readSettings } from '../settings.ts'
import type { Invocation, Terminal, Verb } from '../verb.ts'

const usage = `partywall apikey create <tenant> --name <name> [--scopes a,b] [--days <life>] [--env <word>]
partywall apikey list <tenant>
partywall apikey rotate <tenant> <prefix> [--grace <seconds>]
partywall apikey revoke <tenant> <prefix>

A new key is printed once, as the last line and the only one on standard output. It is stored as a hash: nobody can print it
again. Needs PARTYWALL_CATALOG_URL and PARTYWALL_ADMIN_URL, or a partywall dev that runs beside.`

interface Action {
  readonly words: number
  run(plane: ControlPlane, tenant: Tenant, invocation: Invocation): Promise<void>
}

const dayMs = 86_400_000

const actions: Readonly<Record<string, Action>> = {
  create: {
    words: 1,
    async run({ apiKeys, actor, auditTrail }, tenant, { flags, terminal }) {
      const name = flags['name']
      if (typeof name !== 'string') throw new ConfigurationError('Name the key after who will use it: --name "nightly export"')
      const scopes = typeof flags['scopes'] === 'string' ? flags['scopes'].split(',').filter((scope) => scope !== '') : []
      const days = wholeNumber(flags, 'days')
      const environment = typeof flags['env'] === 'string' ? flags['env'] : undefined
      const expiresAt = days === undefined ? undefined : new Date(systemClock.now() + days * dayMs)
      const issued = await issueApiKey(apiKeys, { tenantId: tenant.id, name, scopes, expiresAt, environment })
      await auditTrail.record({
        action: 'api_key.create',
        outcome: 'allowed',
        actor,
        tenantId: tenant.id,
        requestId: undefined,
        reason: undefined,
        details: { prefix: issued.key.prefix },
      })
      tell(terminal, issued.key, issued.text)
    },
  },
  list: {
    words: 1,
    async run({ apiKeys }, tenant, { flags, terminal }) {
      const keys = await apiKeys.list(tenant.id, { limit: 1_000 })
      if (flags['json'] === true) {
        for (const key of keys) terminal.print(JSON.stringify(key))
        return
      }
      const head = ['PREFIX', 'NAME', 'SCOPES', 'CREATED', 'LAST USED', 'STATE']
      const rows = keys.map((key) => [key.prefix, key.name, key.scopes.join(','), day(key.createdAt), day(key.lastUsedAt), stateOf(key)])
      for (const line of columns([head, ...rows])) terminal.print(line)
    },
  },
  rotate: {
    words: 2,
    async run({ apiKeys, actor, auditTrail }, tenant, { args, flags, terminal }) {
      const prefix = args[2] ?? ''
      const issued = await rotateApiKey(apiKeys, { tenantId: tenant.id, prefix, graceSec: wholeNumber(flags, 'grace') })
      await auditTrail.record({
        action: 'api_key.rotate',
        outcome: 'allowed',
        actor,
        tenantId: tenant.id,
        requestId: undefined,
        reason: undefined,
        details: { prefix, replacedBy: issued.key.prefix },
      })
      tell(terminal, issued.key, issued.text)
    },
  },
  revoke: {
    words: 2,
    async run({ apiKeys, actor, auditTrail }, tenant, { args, terminal }) {
      const prefix = args[2] ?? ''
      await apiKeys.revoke(tenant.id, prefix)
      await auditTrail.record({
        action: 'api_key.revoke',
        outcome: 'allowed',
        actor,
        tenantId: tenant.id,
        requestId: undefined,
        reason: undefined,
        details: { prefix },
      })
      terminal.note(`Revoked ${prefix} of ${tenant.slug}. Processes that have just used it forget it within seconds.`)
    },
  },
}

export const apikey: Verb = {
  summary: 'Create, list, rotate or revoke API keys of a tenant',
  usage,
  options: {
    name: { type: 'string' },
    scopes: { type: 'string' },
    days: { type: 'string' },
    env: { type: 'string' },
    grace: { type: 'string' },
    json: { type: 'boolean' },
  },
  async run(invocation) {
    const [name = '', ...words] = invocation.args
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined
    if (action === undefined || words.length !== action.words) throw new ConfigurationError(`What shall be done?\n\n${usage}`)
    const settings = requireAdmin(await readSettings(invocation.terminal))
    await withControlPlane(settings, async (plane) => {
      const found = await plane.tenants.find(parseTenantRef(words[0]))
      if (found === undefined) throw new TenantNotFoundError(`There is no tenant ${JSON.stringify(words[0])}. See partywall tenant list.`)
      await action.run(plane, found, invocation)
    })
  },
}

function tell(terminal: Terminal, key: ApiKey, text: string): void {
  terminal.note(`${key.name} (prefix ${key.prefix}), good until ${key.expiresAt?.toISOString() ?? 'it is revoked'}. It is shown this once:`)
  terminal.print(text)
}

function stateOf(key: ApiKey): string {
  if (key.revokedAt !== undefined) return `revoked ${day(key.revokedAt)}`
  if (key.replacedBy !== undefined) return `replaced by ${key.replacedBy}, ends ${day(key.expiresAt)}`
  return key.expiresAt === undefined ? 'good' : `ends ${day(key.expiresAt)}`
}

function day(date: Date | undefined): string {
  return date?.toISOString().slice(0, 10) ?? '-'
}

function wholeNumber(flags: Invocation['flags'], name: string): number | undefined {
  const given = flags[name]
  if (given === undefined) return undefined
  if (typeof given === 'string' && /^[0-9]{1,7}$/.test(given)) return Number(given)
  throw new ConfigurationError(`--${name} is ${JSON.stringify(given)}; it must be a whole number.`)
}
