// partywall tenant offboard: closed at once, purged after a time of grace, read again, certified.

import { resolve } from 'node:path'
import type { Tenant } from '../../../core/tenant.ts'
import { AbortedError, ConfigurationError } from '../../../errors.ts'
import { durationMs } from '../../duration.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { operationProgress } from '../../operation-progress.ts'
import { confirmByName } from '../../prompts.ts'
import { tellReport } from '../../told-operation.ts'
import { verb } from '../../verb.ts'

export const offboard = verb({
  summary: 'Close a tenant, and purge it after a time of grace',
  details:
    'It is closed at once. Until the grace is over, partywall operation cancel gives it back; then partywall operation resume or watch purges it, reads every store again, and signs a certificate: partywall certificate print.',
  args: { tenant: 'its id or slug' },
  flags: {
    reason: { kind: 'text', value: 'why', about: 'kept in the audit trail and in the certificate', required: true },
    grace: { kind: 'text', value: 'time', about: 'how long it can be called off: 30d, 12h (default: 30d)' },
    now: { kind: 'switch', about: 'no grace: purge it, for good' },
    exportTo: { kind: 'text', value: 'dir', about: 'write its rows there first, a file for each table' },
    yes: { kind: 'switch', about: 'do not ask for its name' },
    dryRun: { kind: 'switch', about: 'say what would be done, and do nothing' },
  },
  examples: [
    'partywall tenant offboard acme --reason "contract ended" --grace 30d --export-to /var/exports/acme',
    'partywall tenant offboard acme --reason "erasure request 4711" --now --yes --json',
  ],
  needs: needsFleet,
  async run({ args, flags: { reason, grace, now, exportTo, yes, dryRun }, output, progress, signal, terminal }) {
    if (now && grace !== undefined) throw new ConfigurationError('--now and --grace contradict each other.')
    const graceMs = grace === undefined ? undefined : durationMs('--grace', grace)
    const report = await withFleet(terminal, async (plane) => {
      const tenant = await fleetTenant(plane, args.tenant)
      if (!yes && !dryRun) {
        const message = `${textOf(tenant)} will be closed at once and purged ${now ? 'now, for good' : `after ${grace ?? '30d'}`}.`
        const isConfirmed = await confirmByName(terminal, { message, instead: '--yes', name: tenant.slug })
        if (!isConfirmed) throw new AbortedError('That is not its name. Nothing was done.')
      }
      const onProgress = dryRun ? undefined : operationProgress(progress, `offboard ${tenant.slug}`)
      return await plane.fleet.tenants.offboard(tenant.id, {
        actor: plane.actor,
        reason,
        graceMs,
        now,
        exportTo: exportTo === undefined ? undefined : resolve(terminal.cwd, exportTo),
        dryRun,
        onProgress,
        signal,
      })
    })
    progress.finish()
    await tellReport(output, report)
    const { operation } = report
    if (operation?.state === 'done') terminal.note(`Its certificate: partywall certificate print ${operation.id}`)
    if (operation?.state === 'waiting') terminal.note(`Until then: partywall operation cancel ${operation.id} --reason <why>`)
  },
})

function textOf({ slug, name, placement }: Tenant): string {
  return `${slug} (${name}; ${placement.isolation} on ${placement.server})`
}
