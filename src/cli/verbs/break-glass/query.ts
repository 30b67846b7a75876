// partywall break-glass query: one statement by a grant, over the application's own login: behind the wall like everybody.

import { ConfigurationError } from '../../../errors.ts'
import { createTenancy } from '../../../tenancy.ts'
import { needsFleet } from '../../fleet-plane.ts'
import { readFleetSettings } from '../../fleet-settings.ts'
import { keyFlag, staffKey } from '../../staff-signer.ts'
import { type Terminal, verb } from '../../verb.ts'

type Row = Readonly<Record<string, unknown>>

export const query = verb({
  summary: 'Run one statement by a grant of yours',
  details:
    'Who is inside, why, and until when is said on standard error, and kept in the audit trail with a fingerprint of the statement before it is sent. What writes is refused unless the grant is for writing.',
  args: { grant: 'its id', sql: 'the statement' },
  flags: { key: keyFlag },
  examples: [`partywall break-glass query 0b5c1d9e-3f4a-4c55-9a57-5d6f0b6f3c11 "select id, state from invoices" --key ~/ada.key`],
  needs: `PARTYWALL_DATABASE_URL beside ${needsFleet}`,
  async run({ args, flags, output, terminal }) {
    const key = await staffKey(terminal, flags.key)
    const { catalog, app, secrets, config } = await readFleetSettings(terminal)
    if (app === undefined)
      throw new ConfigurationError("Set PARTYWALL_DATABASE_URL, the application's own login: a grant is used behind the wall.")
    const tenancy = await createTenancy({
      ...{ catalog, database: app, secrets, plans: config.plans, applicationName: 'partywall break-glass' },
      // In the tenant's own log too, where it has one. Where it has none it is in the audit trail alone.
      audit: { onMissing: () => {} },
    })
    try {
      const rows = await tenancy.breakGlass(args.grant, { key }, async ({ tenant, grant }) => {
        banner(terminal, [
          `BREAK-GLASS  ${grant?.staffId} in ${tenant.slug} (${tenant.id}), ${grant?.isReadOnly === true ? 'reading alone' : 'READING AND WRITING'}`,
          `why: ${grant?.reason} [${grant?.ticket}]`,
          `until: ${grant?.endsAt.toISOString()}. The tenant can see this.`,
        ])
        return (await tenancy.query<Row>(args.sql)).rows
      })
      await output.table(rows, Object.fromEntries(Object.keys(rows[0] ?? {}).map((name) => [name, (row: Row) => cell(row[name])])))
    } finally {
      await tenancy.close()
    }
  },
})

function banner(terminal: Terminal, lines: readonly string[]): void {
  for (const line of lines) terminal.note(line)
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
