// partywall backup diff: what a tenant has that a backup has not, and the other way round.

import type { DifferingRows } from '../../../backup/row-source.ts'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const diff = verb({
  summary: 'Compare a tenant with a backup, or with a tenant restored beside it',
  details: 'A backup is restored into a throw-away place for it. Ends with 1 when they differ.',
  args: { tenant: 'its id or slug', with: 'a backup, or another tenant' },
  flags: {
    table: { kind: 'list', value: 'name', about: 'only these tables' },
    keys: { kind: 'number', value: 'n', about: 'show the keys of so many rows of each kind', min: 0, max: 10_000, default: 3 },
  },
  examples: ['partywall backup diff acme acme/latest', 'partywall backup diff acme acme-yesterday --table notes --keys 50 --json'],
  needs: needsFleet,
  async run({ args, flags: { table, keys: keysMax }, output, signal, terminal }) {
    const tables = table.length === 0 ? undefined : table
    const found = await withFleet(terminal, ({ fleet }) => fleet.backups.diff(args.tenant, args.with, { tables, keysMax, signal }))
    await output.table(found, {
      TABLE: ({ table: name }) => name,
      ROWS: ({ rows }) => `${rows.left} / ${rows.right}`,
      [`ONLY ${args.tenant}`]: ({ onlyLeft }) => told(onlyLeft),
      [`ONLY ${args.with}`]: ({ onlyRight }) => told(onlyRight),
      CHANGED: ({ changed }) => told(changed),
    })
    const isSame = found.every(
      ({ rows, onlyLeft, onlyRight, changed }) => onlyLeft.count + onlyRight.count + changed.count === 0 && rows.left === rows.right,
    )
    return isSame ? 'done' : 'failed'
  },
})

function told({ count, keys }: DifferingRows): string {
  if (keys.length === 0) return String(count)
  return `${count}: ${keys.map((key) => key.join(',')).join(' ')}${keys.length < count ? ' …' : ''}`
}
