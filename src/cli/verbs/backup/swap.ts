// partywall backup swap: all rows of a tenant give way to those of a backup.

import { AbortedError } from '../../../errors.ts'
import type { Replaced } from '../../../operations/tenant-filler.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { operationProgress } from '../../operation-progress.ts'
import { confirmByName } from '../../prompts.ts'
import { tellReport } from '../../told-operation.ts'
import { verb } from '../../verb.ts'

export const swap = verb({
  summary: 'Put the rows of a backup, or of another tenant, in the place of a tenant’s own',
  details:
    'In one transaction; writes of the tenant wait meanwhile. It keeps its id, name, settings and place. What was there is backed up first: swapping with that backup is the way back.',
  args: { tenant: 'its id or slug', with: 'a backup, or another tenant' },
  flags: {
    reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true },
    yes: { kind: 'switch', about: 'do not ask for its name' },
    dryRun: { kind: 'switch', about: 'say what would be done, and do nothing' },
  },
  examples: [
    'partywall backup swap acme acme-yesterday --reason "the import of 4 May"',
    'partywall backup swap acme acme/latest --reason "ticket 4711" --yes',
  ],
  needs: needsFleet,
  async run({ args, flags: { reason, yes, dryRun }, output, progress, signal, terminal }) {
    const report = await withFleet(terminal, async (plane) => {
      const { id, slug } = await fleetTenant(plane, args.tenant)
      if (!yes && !dryRun) {
        const message = `All rows of ${slug} will give way to those of ${args.with}.`
        const isConfirmed = await confirmByName(terminal, { message, instead: '--yes', name: slug })
        if (!isConfirmed) throw new AbortedError('That is not its name. Nothing was done.')
      }
      const onProgress = dryRun ? undefined : operationProgress(progress, `swap ${slug}`)
      return await plane.fleet.backups.swap(id, args.with, { actor: plane.actor, reason, dryRun, onProgress, signal })
    })
    progress.finish()
    await tellReport(output, report)
    const done = report.operation?.steps['replace']?.output as unknown as Replaced | undefined
    if (done !== undefined) terminal.note(`The way back: partywall backup swap ${args.tenant} ${done.safety} --reason <why>`)
  },
})
