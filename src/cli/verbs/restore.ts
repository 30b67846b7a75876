// partywall restore: a backup, as a tenant of its own beside the one that it is of.

import { type Isolation, isolations } from '../../core/placement.ts'
import { ConfigurationError } from '../../errors.ts'
import { type FleetPlane, fleetTenant, needsFleet, withFleet } from '../fleet-plane.ts'
import { operationProgress } from '../operation-progress.ts'
import type { Progress } from '../progress.ts'
import { backupProgress } from '../told-backup.ts'
import { tellPlan } from '../told-operation.ts'
import { verb } from '../verb.ts'

export const restore = verb({
  summary: 'Restore a backup as a tenant of its own, beside the live one',
  details:
    'The new tenant has an id of its own; name, plan, features and settings are those of the backup. It is onboarded like any other: killed at any point, it is gone on with by partywall operation resume. With --from-server the rows come from a server that was recovered to a moment: they are backed up first, and then restored.',
  args: { backup: { about: 'its id, <tenant>/<id> or <tenant>/latest', optional: true } },
  flags: {
    as: { kind: 'text', value: 'slug', about: 'the slug of the new tenant', required: true },
    fromServer: { kind: 'text', value: 'server', about: 'read from this server instead: a name of the catalog, or a URL' },
    tenant: { kind: 'text', about: 'with --from-server: whose rows, an id or a slug' },
    name: { kind: 'text', about: 'what people call it (default: as in the backup)' },
    plan: { kind: 'text', about: 'its plan (default: as in the backup)' },
    region: { kind: 'text', about: 'where its data must stay (default: as in the backup)' },
    isolation: { kind: 'choice', of: isolations, about: 'where it lives (default: as in the backup)' },
    server: { kind: 'text', about: 'this server and no other' },
    keyBigint: { kind: 'text', value: 'number', about: 'its key in tables that know tenants by a bigint' },
    keyText: { kind: 'text', value: 'key', about: 'its key in tables that know tenants by a text' },
    reason: { kind: 'text', value: 'why', about: 'kept in the audit trail' },
    dryRun: { kind: 'switch', about: 'say what would be done, and do nothing' },
  },
  examples: [
    'partywall restore acme/latest --as acme-yesterday',
    'partywall restore 01a206c4-0e66-757c-90e6-b4cbcee18a88 --as acme-again --isolation database --dry-run',
    'partywall restore --from-server postgres://postgres@127.0.0.1:5499/app --tenant acme --as acme-at-noon',
  ],
  needs: needsFleet,
  async run({ args, flags, output, progress, signal, terminal }) {
    const { as, name, plan, region, server, isolation, keyBigint, keyText, reason, dryRun } = flags
    const { report, tenant } = await withFleet(terminal, async (plane) => {
      const backup = await backupNamed(plane, { backup: args.backup, ...flags }, { progress, signal })
      const onProgress = dryRun ? undefined : operationProgress(progress, `restore ${as}`)
      const keys = { ...(keyBigint !== undefined && { bigint: keyBigint }), ...(keyText !== undefined && { text: keyText }) }
      const place = { isolation: isolation as Isolation | undefined, server, keys }
      const { actor, fleet } = plane
      const told = await fleet.backups.restore(backup, { as, name, plan, region, ...place, actor, reason, dryRun, onProgress, signal })
      const { operation } = told
      return { report: told, tenant: operation && (await fleetTenant(plane, operation.tenantId)) }
    })
    progress.finish()
    if (tenant === undefined) return await tellPlan(output, report.plan)
    output.record(tenant)
  },
})

interface Wanted {
  readonly backup: string | undefined
  readonly fromServer: string | undefined
  readonly tenant: string | undefined
  readonly reason: string | undefined
  readonly dryRun: boolean
}

async function backupNamed(
  { fleet, actor }: FleetPlane,
  { backup, fromServer, tenant, reason, dryRun }: Wanted,
  { progress, signal }: { readonly progress: Progress; readonly signal: AbortSignal },
): Promise<string> {
  if ((backup === undefined) === (fromServer === undefined)) throw new ConfigurationError('Give either a backup or --from-server.')
  if (backup !== undefined) return backup
  if (tenant === undefined) throw new ConfigurationError('Whose rows? --from-server needs --tenant.')
  if (dryRun) throw new ConfigurationError('--dry-run needs a backup: from a server one has to be made first.')
  const onProgress = backupProgress(progress, `read ${tenant}`)
  const made = await fleet.backups.create(tenant, { from: fromServer, reason, actor, onProgress, signal })
  progress.finish()
  return `${made.tenantId}/${made.id}`
}
