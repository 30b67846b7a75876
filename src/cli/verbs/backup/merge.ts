// partywall backup merge: rows that a tenant has lost, brought back while it is being served.

import { ConfigurationError } from '../../../errors.ts'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const merge = verb({
  summary: 'Bring rows of a backup, or of a tenant restored beside, into a tenant',
  details:
    'In one transaction. What is missing comes back; with --overwrite, rows that differ become those of the backup. Nothing is deleted. A key is the primary key without the tenant, as partywall backup diff shows it.',
  args: { tenant: 'its id or slug', from: 'a backup, or another tenant' },
  flags: {
    table: { kind: 'list', value: 'name', about: 'only these tables' },
    key: {
      kind: 'list',
      isWhole: true,
      value: 'table=key',
      about: 'only this row of the table; several parts of a key with commas between',
    },
    overwrite: { kind: 'switch', about: 'rows that differ become those of the backup' },
    reason: { kind: 'text', value: 'why', about: 'kept in the audit trail' },
    dryRun: { kind: 'switch', about: 'say what would be written, and take it back' },
  },
  examples: [
    'partywall backup merge acme acme/latest --dry-run',
    'partywall backup merge acme acme-yesterday --key notes=01a206c4-0e66-757c-90e6-b4cbcee18a88 --overwrite --reason "ticket 4711"',
  ],
  needs: needsFleet,
  async run({ args, flags: { table, key, overwrite, reason, dryRun }, output, signal, terminal }) {
    if (table.length > 0 && key.length > 0) throw new ConfigurationError('Give either --table or --key: a key names its table.')
    const chosen = { tables: table.length === 0 ? undefined : table, keys: key.length === 0 ? undefined : keysOf(key) }
    const written = await withFleet(terminal, ({ fleet, actor }) =>
      fleet.backups.merge(args.tenant, args.from, { ...chosen, overwrite, dryRun, reason, actor, signal }),
    )
    await output.table(written, {
      TABLE: ({ table: name }) => name,
      [dryRun ? 'WOULD COME BACK' : 'CAME BACK']: ({ inserted }) => String(inserted),
      [dryRun ? 'WOULD BE OVERWRITTEN' : 'OVERWRITTEN']: ({ updated }) => String(updated),
    })
  },
})

function keysOf(given: readonly string[]): Readonly<Record<string, readonly (readonly string[])[]>> {
  const keys: Record<string, (readonly string[])[]> = {}
  for (const text of given) {
    const at = text.indexOf('=')
    if (at < 1) throw new ConfigurationError(`--key ${JSON.stringify(text)} is not of the form table=key.`)
    const table = text.slice(0, at)
    keys[table] = [...(keys[table] ?? []), text.slice(at + 1).split(',')]
  }
  return keys
}
