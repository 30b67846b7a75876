// partywall import: rows from files into a tenant, all or nothing or in batches, every refused row named.

import { resolve } from 'node:path'
import type { ImportReport } from '../../portability/import-tenant.ts'
import { needsFleet, withFleet } from '../fleet-plane.ts'
import { verb } from '../verb.ts'

export const importVerb = verb({
  summary: 'Write the rows of an export into a tenant',
  details:
    'All or nothing, unless told otherwise: one refused row undoes all. Every refused row is in refused.jsonl with its file, line, key and reason, and the exit code is then 5.',
  args: { tenant: 'its id or slug' },
  flags: {
    from: { kind: 'text', value: 'dir', about: 'a directory with a manifest.json', required: true },
    mode: {
      kind: 'choice',
      of: ['insert', 'upsert'],
      about: 'refuse a row whose key is there, or change the one that is',
      default: 'insert',
    },
    mapIds: { kind: 'switch', about: 'give new ids to rows whose keys are uuids, and change what refers to them' },
    resumable: { kind: 'switch', about: 'commit in batches; the same command goes on after whatever ended it' },
    skipRefused: { kind: 'switch', about: 'all or nothing, but for the rows that are refused' },
    dryRun: { kind: 'switch', about: 'do everything, and undo it' },
    reportTo: { kind: 'text', value: 'dir', about: 'for refused.jsonl and import.json (default: where the files are)' },
    batchRows: { kind: 'number', value: 'n', about: 'rows of a batch, at most', min: 1, max: 100_000, default: 1_000 },
    lineBytesMax: {
      kind: 'number',
      value: 'n',
      about: 'a longer row is refused',
      min: 1_000,
      max: 512 * 1024 * 1024,
      default: 16 * 1024 * 1024,
    },
    reason: { kind: 'text', value: 'why', about: 'kept in the audit trail' },
  },
  examples: [
    'partywall import acme --from /srv/exports/acme --dry-run',
    'partywall import sandbox --from /srv/exports/acme --map-ids --resumable --reason "a copy to try things on"',
  ],
  needs: needsFleet,
  async run({ args, flags: { from, reportTo, ...flags }, output, progress, signal, terminal }) {
    const report = await withFleet(terminal, async ({ fleet, actor }) => {
      let isStarted = false
      return await fleet.imports.import(args.tenant, {
        ...flags,
        from: resolve(terminal.cwd, from),
        reportTo: reportTo === undefined ? undefined : resolve(terminal.cwd, reportTo),
        actor,
        signal,
        onProgress: ({ table, rows, rowsTotal, refused }) => {
          if (!isStarted) progress.start(rowsTotal, `import ${args.tenant}`)
          isStarted = true
          progress.advance({ done: Math.max(0, rows - refused), failed: refused, note: table })
        },
      })
    })
    progress.finish()
    if (output.isJson) output.record(report)
    else {
      await output.table(report.tables, {
        TABLE: ({ table }) => table,
        READ: ({ read }) => String(read),
        [report.outcome === 'done' ? 'WRITTEN' : 'WOULD BE WRITTEN']: ({ written }) => String(written),
        REFUSED: ({ refused }) => String(refused),
        'WITHOUT REFERENCE': ({ unlinked }) => String(unlinked),
      })
      terminal.note(told(report))
    }
    return report.refused + report.unlinked > 0 ? 'refused' : 'done'
  },
})

function told({ outcome, wasDone, refused, unlinked, refusedFile }: ImportReport): string {
  const each = refused + unlinked > 0 ? ` Each refused row, with the reason: ${refusedFile}` : ''
  switch (outcome) {
    case 'done':
      return `${wasDone ? 'It was done already: to do it again, remove import.json.' : 'Done.'}${each}`
    case 'undone':
      return `Nothing was written, because rows were refused.${each}`
    case 'tried':
      return `Nothing was written: it was a dry run.${each}`
  }
}
