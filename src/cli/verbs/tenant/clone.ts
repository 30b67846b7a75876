// partywall tenant clone: a tenant made from another, with its rows under a mask.

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { checkedMask, type Mask } from '../../../core/mask.ts'
import { type Isolation, isolations } from '../../../core/placement.ts'
import { ConfigurationError, InvalidInputError } from '../../../errors.ts'
import type { CloneTenant } from '../../../operations/operations.ts'
import { assertKnowsMigrations, fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { operationProgress } from '../../operation-progress.ts'
import { tellPlan } from '../../told-operation.ts'
import { verb } from '../../verb.ts'

export const clone = verb({
  summary: 'Make a tenant from another: its rows as of one moment, under a mask',
  details:
    'Columns that look personal and have no rule are refused, by name. The mask is a JSON file of rules by table.column: "hash", "email", "name", "text", "null", "keep", {"fixed": "…"}, {"noise": percent}, {"custom": "…"}. A failure leaves nothing behind.',
  args: { tenant: 'whose rows are copied: its id or slug' },
  flags: {
    slug: { kind: 'text', about: 'the short name of the clone', required: true },
    name: { kind: 'text', about: 'what people call it (default: the slug)' },
    plan: { kind: 'text', about: 'its plan (default: that of the other)' },
    isolation: { kind: 'choice', of: isolations, about: 'where it lives (default: what the plan says)' },
    server: { kind: 'text', about: 'this server and no other' },
    keyBigint: { kind: 'text', value: 'number', about: 'its own key in tables that know tenants by a bigint' },
    keyText: { kind: 'text', value: 'text', about: 'its own key in tables that know tenants by a text' },
    mask: { kind: 'text', value: 'file', about: 'rules for columns, as JSON' },
    unmasked: { kind: 'list', value: 'table.column', about: 'copied as it is, although it looks personal' },
    allowUnmasked: { kind: 'switch', about: 'copy every column without a rule as it is' },
    reason: { kind: 'text', value: 'why', about: 'kept in the audit trail' },
    dryRun: { kind: 'switch', about: 'judge the mask, say what would be done, and do nothing' },
  },
  examples: [
    'partywall tenant clone acme --slug acme-sandbox --mask masks.json --dry-run',
    'partywall tenant clone acme --slug acme-demo --mask masks.json --unmasked folders.name,products.name --isolation schema',
  ],
  needs: needsFleet,
  async run({ args, flags, output, progress, signal, terminal }) {
    const { slug, name, plan, server, keyBigint, keyText, allowUnmasked, reason, dryRun } = flags
    const mask = { ...(flags.mask === undefined ? {} : await readMask(resolve(terminal.cwd, flags.mask))) }
    for (const column of flags.unmasked) {
      if (mask[column] !== undefined && mask[column] !== 'keep') {
        throw new InvalidInputError(`--unmasked ${column} and its rule in ${flags.mask} contradict each other.`)
      }
      mask[column] = 'keep'
    }
    const { report, tenant } = await withFleet(terminal, async (plane) => {
      const source = await fleetTenant(plane, args.tenant)
      const wanted: CloneTenant = {
        slug,
        name,
        plan,
        isolation: flags.isolation as Isolation | undefined,
        server,
        keys: keyBigint === undefined && keyText === undefined ? undefined : { bigint: keyBigint, text: keyText },
        mask,
        allowUnmasked,
      }
      await assertKnowsMigrations(plane, wanted.isolation ?? plane.config.plans?.[plan ?? source.plan]?.placement ?? 'pooled')
      const { fleet, actor } = plane
      const onProgress = dryRun ? undefined : operationProgress(progress, `clone ${source.slug} as ${slug}`)
      const told = await fleet.tenants.clone(source.id, wanted, { actor, reason, dryRun, onProgress, signal })
      const { operation } = told
      return { report: told, tenant: operation && (await fleetTenant(plane, operation.tenantId)) }
    })
    progress.finish()
    if (tenant === undefined) return await tellPlan(output, report.plan)
    output.record({ ...tenant })
  },
})

async function readMask(path: string): Promise<Mask> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new ConfigurationError(`The mask ${path} cannot be read.`, { cause })
  })
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch (cause) {
    throw new ConfigurationError(`The mask ${path} is no JSON: ${(cause as Error).message}`, { cause })
  }
  return checkedMask(given)
}
